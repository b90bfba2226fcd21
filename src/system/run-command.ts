import { spawn } from 'node:child_process'

/** Runs a program, without a shell, to its end, with this input or none. Resolves with its exit code; rejects when it cannot be run, ends by a signal, or is stopped after `limitMs`. */
export async function runCommand(argv: readonly string[], limitMs: number, signal: AbortSignal, input?: string): Promise<number> {
  const [command = '', ...args] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'ignore'], signal, timeout: limitMs, killSignal: 'SIGKILL' })
    child.once('error', reject)
    child.stdin?.on('error', () => undefined) // it did not read to the end: its exit code says whether that was well
    child.stdin?.end(input)
    child.once('close', (code, by) => {
      if (code === null) reject(new Error(`${command} ended by ${by ?? 'a signal'}`))
      else resolve(code)
    })
  })
}
