import type { Agent__Output as WireAgent } from '../../proto/generated/spire/api/types/Agent.ts'
import { MayflyError } from '../core/errors.ts'
import { formatSelector } from '../core/selector.ts'
import { parseSpiffeId } from '../core/spiffe-id.ts'
import type { SpiffeId } from '../core/spiffe-id.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import { idFromWire, typedId } from './ids.ts'
import { timeText } from './when.ts'

/** An agent as `--json` prints it. */
export interface AgentJson {
  readonly id: string
  readonly attestationType: string
  /** 34 hexadecimal digits. */
  readonly serial: string
  readonly expiresAt: string
  readonly banned: boolean
  readonly canReattest: boolean
  readonly version: string
  readonly selectors: readonly string[]
}

export function agentToJson(agent: WireAgent): AgentJson {
  return {
    id: idFromWire(agent.id),
    attestationType: agent.attestationType,
    serial: hexOfDecimal(agent.x509svidSerialNumber),
    expiresAt: timeText(agent.x509svidExpiresAt * 1_000),
    banned: agent.banned,
    canReattest: agent.canReattest,
    version: agent.agentVersion,
    selectors: agent.selectors.map((selector) => formatSelector({ type: selector.type, value: selector.value })),
  }
}

/** Whose an entry will be: as typed, or the one agent there is. @throws {MayflyError} SPIFFE_ID_INVALID, USAGE */
export async function parentOf(typed: string | undefined, server: RpcChannel, signal: AbortSignal): Promise<SpiffeId> {
  return typed === undefined ? await onlyAgent(server, signal) : await typedId(typed, server, signal)
}

/** The one agent there is. @throws {MayflyError} USAGE naming the choices when there are none or several */
export async function onlyAgent(server: RpcChannel, signal: AbortSignal): Promise<SpiffeId> {
  const { agents } = await server.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { filter: { byBanned: { value: false } }, pageSize: 6 }, { signal })
  const ids = agents.map((agent) => idFromWire(agent.id))
  const [first, second] = ids
  if (first === undefined) throw new MayflyError('USAGE', 'no agent has joined yet, so --parent must say whose entry this will be', { hint: 'mayfly token create prints a line that lets one join' })
  if (second !== undefined) {
    const shown = ids.slice(0, 5).map((id) => `--parent ${id}`)
    throw new MayflyError('USAGE', 'several agents have joined, so --parent must say which one serves it', { hint: `one of: ${shown.join(', ')}${ids.length > 5 ? ', … (mayfly agent list)' : ''}` })
  }
  return parseSpiffeId(first)
}

/** SPIRE prints serials in decimal, this CLI in hexadecimal as certificates show them. */
function hexOfDecimal(decimal: string): string {
  return /^\d+$/.test(decimal) ? BigInt(decimal).toString(16).padStart(34, '0') : decimal
}
