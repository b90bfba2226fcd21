import { userInfo } from 'node:os'

import type { Credential__Output as Credential } from '../../../proto/generated/mayfly/v1/Credential.ts'
import { isAgentId } from '../../core/spiffe-id.ts'
import type { SpiffeId } from '../../core/spiffe-id.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { entryToJson } from '../entries.ts'
import type { EntryJson } from '../entries.ts'
import { exitCodes } from '../exit-code.ts'
import { typedId } from '../ids.ts'
import type { PlaceOptions } from '../places.ts'
import { targetOption, targetText } from '../target.ts'
import { timeText, whenText } from '../when.ts'
import { nodeObstacles } from './node.ts'
import type { Obstacle } from './obstacle.ts'

/** What stands in the way of a SPIFFE ID, or that nothing does. */
export async function explainId(text: string, options: PlaceOptions & { readonly json: boolean }, context: Context): Promise<number> {
  const { output, signal, clock } = context
  using server = await connectServer(options, context)
  const id = await typedId(text, server, signal)
  const { entries: wire } = await server.unary('mayfly.v1.Registry', 'ListEntries', { filter: { spiffeId: { value: id } }, pageSize: 50 }, { signal })
  const entries = wire.map((entry) => entryToJson(entry))
  const { credentials } = await server.unary('mayfly.v1.Status', 'FindCredentials', { target: isAgentId(id) ? { agentId: id } : { spiffeId: id }, liveOnly: true, pageSize: 20 }, { signal })
  const obstacles = await obstaclesOf(id, entries, server, context)
  if (options.json) {
    output.json({ spiffeId: id, entries, live: credentials, obstacles })
    return exitCodes.ok
  }
  output.line(id)
  for (const entry of entries) output.line(`  entry ${entry.id ?? ''} at ${entry.parentId}: ${entry.selectors.join(' ')}${entry.disabled === true ? ', disabled' : ''}`)
  for (const credential of credentials) output.line(`  live  ${credentialLine(credential, clock.nowMs())}`)
  if (obstacles.length === 0) output.line(credentials.length > 0 ? 'nothing stands in its way' : 'nothing stands in its way; no process holds it now: mayfly why <pid> says whether one would get it')
  for (const { what, mend } of obstacles) {
    output.line(`but ${what}`)
    output.line(`hint: ${mend}`)
  }
  return exitCodes.ok
}

function credentialLine(credential: Credential, nowMs: number): string {
  const end = credential.endedAtMs > 0 ? `${credential.state} ${timeText(credential.endedAtMs)}${credential.cause === '' ? '' : ` (${credential.cause}${credential.reason === '' ? '' : `: ${credential.reason}`})`}` : credential.notAfterMs < nowMs ? `expired ${whenText(credential.notAfterMs, nowMs)}` : `${credential.state}, ends ${whenText(credential.notAfterMs, nowMs)}`
  return `${credential.serial}  ${end}${credential.agentId === '' ? '' : `  at ${credential.agentId}`}`
}

/** What keeps processes from having this ID, in the order it would be mended. */
export async function obstaclesOf(id: SpiffeId, entries: readonly EntryJson[], server: RpcChannel, { signal, clock }: Context): Promise<readonly Obstacle[]> {
  const obstacles: Obstacle[] = []
  if (entries.length === 0 && !isAgentId(id)) obstacles.push({ what: 'no entry has this ID', mend: `mayfly entry create --id ${id} --selector unix:uid:${userInfo().uid}` })
  const { targets } = await server.unary('mayfly.v1.Revocations', 'ListDisabled', {}, { signal })
  for (const { target, reason, by, atMs } of targets) {
    if (target === null || !concerns(target, id, entries)) continue
    obstacles.push({ what: `${targetText(target)} was disabled ${timeText(atMs)} by ${by}${reason === '' ? '' : `: ${reason}`}`, mend: `mayfly enable ${targetOption(target)}` })
  }
  for (const entry of entries) {
    for (const obstacle of await nodeObstacles(entry, server, clock.nowMs(), signal)) if (!obstacles.some(({ what }) => what === obstacle.what)) obstacles.push(obstacle)
  }
  return obstacles
}

function concerns(target: { readonly spiffeId?: string; readonly entryId?: string; readonly agentId?: string; readonly owner?: string }, id: SpiffeId, entries: readonly EntryJson[]): boolean {
  if (target.spiffeId === id || target.agentId === id) return true
  return entries.some((entry) => entry.id === target.entryId || entry.parentId === target.agentId || (target.owner !== undefined && entry.owner === target.owner))
}
