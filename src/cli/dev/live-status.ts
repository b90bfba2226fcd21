import type { AgentStatus__Output as AgentStatus } from '../../../proto/generated/mayfly/v1/AgentStatus.ts'
import type { ServerStatus__Output as ServerStatus } from '../../../proto/generated/mayfly/v1/ServerStatus.ts'
import { MayflyError } from '../../core/errors.ts'
import { agentStatus, serverStatus } from '../commands/status.ts'
import type { Context } from '../context.ts'
import type { Places } from '../places.ts'
import { whenText } from '../when.ts'

export interface LiveStatus {
  readonly server: ServerStatus | undefined
  readonly agent: AgentStatus | undefined
}

/** What both say of themselves now; `undefined` for one that does not answer. */
export async function readStatus(places: Places, context: Context): Promise<LiveStatus> {
  const options = { data: places.data, 'server-socket': places.serverSocket, 'agent-socket': places.agentSocket }
  const [server, agent] = await Promise.all([orUndefined(serverStatus(options, context)), orUndefined(agentStatus(options, context))])
  return { server, agent }
}

/** Six lines: trust domain, authority, agent, entries, SVIDs in use by workloads, next rotation. */
export function statusLines({ server, agent }: LiveStatus, nowMs: number): readonly string[] {
  const active = server?.authorities.find((authority) => authority.state.toLowerCase().includes('active'))
  const rotations = (agent?.svids ?? []).map((svid) => svid.rotatesAtMs).filter((atMs) => atMs > 0)
  const next = rotations.length === 0 ? undefined : Math.min(...rotations)
  const pairs: readonly (readonly [string, string])[] = [
    ['trust domain', server?.trustDomain ?? 'the server does not answer'],
    ['authority', active === undefined ? 'none' : `${active.id.slice(0, 16)}, ends ${whenText(active.notAfterMs, nowMs)}`],
    ['agent', agent === undefined ? 'does not answer' : `${agent.agentId}${agent.connected ? '' : ', cut off from the server'}`],
    ['entries', server === undefined ? '?' : String(server.entries)],
    ['SVIDs in use', agent === undefined ? '?' : String(agent.svids.length)],
    ['next rotation', next === undefined ? 'nothing to rotate' : whenText(next, nowMs)],
  ]
  return pairs.map(([name, value]) => `  ${name.padEnd(14)} ${value}`)
}

/** Redraws the status in place until the signal aborts: each second, and at once with every change that the server commits. */
export async function drawStatus(places: Places, context: Context): Promise<void> {
  const { output, clock, signal } = context
  let drawn = 0
  while (!signal.aborted) {
    const lines = statusLines(await readStatus(places, context), clock.nowMs()).map((line) => line.slice(0, Math.max(20, output.columns - 1)))
    if (signal.aborted) return
    output.raw(`${drawn > 0 ? `\u001B[${drawn}A` : ''}${lines.map((line) => `\u001B[2K${line}\n`).join('')}`)
    drawn = lines.length
    await clock.sleep(1_000, signal).catch(() => undefined)
  }
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof MayflyError) return undefined
    throw error
  }
}
