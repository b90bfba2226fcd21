import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { text } from 'node:stream/consumers'

import { isErrorCode, MayflyError } from '../core/errors.ts'
import { mainFile } from './dev/service.ts'

/** Backup or restore while no server runs, in a process of its own; resolves with what it reports. @throws {MayflyError} what it was refused with */
export async function runRecovery(args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const child = spawn(process.execPath, [mainFile('recovery'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const line = said.trim().split('\n').at(-1) ?? ''
  if (line === '') throw new MayflyError('INTERNAL', 'it ended without a word', { hint: 'see above' })
  const report = JSON.parse(line) as Readonly<Record<string, unknown>> // our own main writes this line
  const error = report['error'] as { readonly code: string; readonly message: string; readonly hint?: string } | undefined // as above
  if (error === undefined) return report
  throw new MayflyError(isErrorCode(error.code) ? error.code : 'INTERNAL', error.message, error.hint === undefined ? {} : { hint: error.hint })
}

/** Options as its main takes them. */
export function recoveryArguments(options: Readonly<Record<string, string | boolean | undefined>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => (value === true ? [`--${name}`] : typeof value === 'string' ? [`--${name}`, value] : []))
}
