import process from 'node:process'

import type { Context } from '../context.ts'
import { mainFile, type Program } from './service.ts'

/**
 * Becomes a main with the options that were given, under the same pid: whoever started this process stops, reloads and kills the server or the agent itself,
 * and none is left behind. Does not return. @throws the signal's reason when this process was to stop already
 */
export async function runMain(name: Program, options: Readonly<Record<string, unknown>>, { signal }: Context): Promise<never> {
  const args = Object.entries(options).flatMap(([option, value]) => argumentsOf(option, value))
  const { becomeProgram } = await import('../../system/exec.ts')
  return await becomeProgram(process.execPath, [mainFile(name), ...args], process.env, signal)
}

function argumentsOf(option: string, value: unknown): readonly string[] {
  if (option === 'json' || option === 'help') return []
  if (value === true) return [`--${option}`]
  if (Array.isArray(value)) return value.flatMap((item: unknown) => [`--${option}`, String(item)])
  return typeof value === 'string' ? [`--${option}`, value] : []
}
