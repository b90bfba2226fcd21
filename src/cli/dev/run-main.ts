import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import process from 'node:process'

import { MayflyError } from '../../core/errors.ts'
import type { Context } from '../context.ts'
import { mainFile, type Program } from './service.ts'

/** Runs a main in the foreground with the options that were given; resolves with its exit code. Signals are passed on. Under systemd this process becomes the main. */
export async function runMain(name: Program, options: Readonly<Record<string, unknown>>, { signal }: Context): Promise<number> {
  const args = Object.entries(options).flatMap(([option, value]) => argumentsOf(option, value))
  const { hasServiceManager } = await import('../../system/service-manager.ts')
  if (hasServiceManager(process.env)) {
    const { becomeProgram } = await import('../../system/exec.ts')
    return await becomeProgram(process.execPath, [mainFile(name), ...args], process.env)
  }
  const child = spawn(process.execPath, [mainFile(name), ...args], { stdio: 'inherit', detached: true })
  const end = (): boolean => child.kill(signal.reason instanceof MayflyError && signal.reason.details['signal'] === 'SIGINT' ? 'SIGINT' : 'SIGTERM')
  const kill = (): boolean => child.kill('SIGKILL')
  signal.addEventListener('abort', end, { once: true })
  process.on('exit', kill)
  const [code, ended] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null] // what 'exit' is emitted with
  process.off('exit', kill)
  return code ?? 128 + constants.signals[ended ?? 'SIGKILL']
}

function argumentsOf(option: string, value: unknown): readonly string[] {
  if (option === 'json' || option === 'help') return []
  if (value === true) return [`--${option}`]
  if (Array.isArray(value)) return value.flatMap((item: unknown) => [`--${option}`, String(item)])
  return typeof value === 'string' ? [`--${option}`, value] : []
}
