import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RevocationReader } from '../../src/verify/reader.ts'
import type { AgentState } from './agent-state.ts'
import type { AgentSvid } from './agent-svid.ts'
import { renewAgent } from './attestation.ts'
import { channelToServer } from './server-channel.ts'
import type { Trust } from './trust.ts'

export interface ReturningDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly trust: Trust
  readonly state: AgentState
  readonly revocations: RevocationReader
}

/**
 * Comes back to a server that was restored since: the authorities that this agent knows are ended there, and one of them vouches for the new one. The bundle first, over a channel that is
 * verified with that; then a new SVID for the old one, whose key the handshake proves. @throws {MayflyError} AGENT_NOT_ATTESTED, AGENT_BANNED, PERMISSION_DENIED, UNAVAILABLE, …
 */
export async function returnToRestored(address: string, svid: AgentSvid, deps: ReturningDeps, signal: AbortSignal): Promise<AgentSvid> {
  const { clock, log, trust, state, revocations } = deps
  using channel = channelToServer(address, clock, trust, svid, revocations)
  if (trust.replace(await channel.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal, timeoutMs: 15_000 }))) await state.saveBundle(trust.bundle)
  const renewed = await renewAgent(channel, trust, clock, signal)
  log.warn({ event: 'agent.returned', agentId: renewed.id, serial: renewed.serial, notAfterMs: renewed.notAfterMs }, 'the server was restored: this agent has come back with its earlier SVID')
  return renewed
}
