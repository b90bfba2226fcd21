import { spawn } from 'node:child_process'

/** Runs a program, without a shell and without input, to its end. Resolves with its exit code; rejects when it cannot be run, ends by a signal, or is stopped after `limitMs`. */
export async function runCommand(argv: readonly string[], limitMs: number, signal: AbortSignal): Promise<number> {
  const [command = '', ...args] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'ignore', signal, timeout: limitMs, killSignal: 'SIGKILL' })
    child.once('error', reject)
    child.once('close', (code, by) => {
      if (code === null) reject(new Error(`${command} ended by ${by ?? 'a signal'}`))
      else resolve(code)
    })
  })
}
