import type { Agent as AgentMessage } from '../../proto/generated/spire/api/types/Agent.ts'
import type { AgentMask__Output } from '../../proto/generated/spire/api/types/AgentMask.ts'
import type { _spire_api_server_agent_v1_ListAgentsRequest_Filter__Output as WireFilter } from '../../proto/generated/spire/api/server/agent/v1/ListAgentsRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Agent, AgentFilter } from '../store/port.ts'
import { selectorMatch } from './wire-filter.ts'
import { idToWire } from './wire-id.ts'

/** SPIRE's view of an agent; its serial is decimal there. */
export function agentToWire(agent: Agent, mask: AgentMask__Output | null): AgentMessage {
  const shown = (field: keyof AgentMask__Output): boolean => mask === null || mask[field]
  const wire: AgentMessage = { id: idToWire(agent.id) }
  if (shown('attestationType')) wire.attestationType = agent.attestationType
  if (shown('x509svidSerialNumber')) wire.x509svidSerialNumber = agent.serial === '' ? '' : BigInt(`0x${agent.serial}`).toString()
  if (shown('x509svidExpiresAt')) wire.x509svidExpiresAt = Math.floor(agent.notAfterMs / 1_000)
  if (shown('selectors')) wire.selectors = agent.selectors.map(({ type, value }) => ({ type, value }))
  if (shown('banned')) wire.banned = agent.banned
  if (shown('canReattest')) wire.canReattest = agent.canReattest
  if (shown('agentVersion')) wire.agentVersion = agent.version
  return wire
}

/** @throws {MayflyError} INVALID_ARGUMENT, SELECTOR_INVALID */
export function agentFilter(wire: WireFilter | null): AgentFilter {
  if (wire === null) return {}
  return {
    ...(wire.byAttestationType === '' ? {} : { attestationType: wire.byAttestationType }),
    ...(wire.bySelectorMatch === null ? {} : { selectors: selectorMatch(wire.bySelectorMatch) }),
    ...(wire.byBanned === null ? {} : { banned: wire.byBanned.value }),
    ...(wire.byCanReattest === null ? {} : { canReattest: wire.byCanReattest.value }),
    ...(wire.byExpiresBefore === '' ? {} : { expiresBeforeMs: parseTime(wire.byExpiresBefore) }),
  }
}

/** As SPIRE's CLI writes it, `2026-11-22 08:00:00 +0100 +01`. */
function parseTime(text: string): number {
  const [, day, time, hours, minutes] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d\d)(\d\d) \S{1,6}$/.exec(text) ?? []
  const ms = Date.parse(`${day}T${time}${hours}:${minutes}`)
  if (Number.isNaN(ms)) throw new MayflyError('INVALID_ARGUMENT', 'byExpiresBefore is not a time', { hint: 'write it as 2026-01-31 12:00:00 +0000 +00' })
  return ms
}
