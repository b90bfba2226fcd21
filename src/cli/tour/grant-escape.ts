import { execFile } from 'node:child_process'
import { extname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { requestGrant } from '../../client/index.ts'
import { MayflyError } from '../../core/errors.ts'
import type { Context } from '../context.ts'
import type { GrantScene } from './grant-scene.ts'
import { letThrough } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** What a task started asks on the agent's own socket for another grant, which would have neither the intent, the budget nor the end of that task. */
export async function askBeside({ workloadSocket }: GrantScene, as: string, { signal }: Context): Promise<Refusal> {
  const work = { as, do: ['write'], on: ['db:orders'], workspace: { environment: 'staging' }, reason: 'migration 42' }
  await using grant = await requestGrant(work, { endpoint: `unix://${workloadSocket}`, signal })
  const main = join(import.meta.dirname, '..', `main${extname(import.meta.filename)}`)
  const args = ['run', '--socket', workloadSocket, '--as', as, '--do', 'write', '--on', 'db:payments', '--environment', 'staging', '--reason', 'more', '--', process.execPath, '--version']
  const said = await stderrOf([main, ...args], grant.signal)
  if (said === undefined) throw letThrough()
  const reasons = /^mayfly: grant \S+ is denied: (.+)$/m.exec(said)?.[1]
  if (reasons === undefined) throw new MayflyError('INTERNAL', `it failed otherwise: ${said.slice(0, 300)}`)
  return { code: 'GRANT_DENIED', said: `denied by ${reasons}` }
}

/** Of a process of this program that failed; `undefined` when it did not. */
async function stderrOf(argv: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  try {
    await promisify(execFile)(process.execPath, argv, { signal })
    return undefined
  } catch (error) {
    if (error instanceof Error && 'stderr' in error && typeof error.stderr === 'string') return error.stderr
    throw error
  }
}
