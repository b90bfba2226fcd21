import type { Target as TargetMessage, Target__Output } from '../../proto/generated/mayfly/v1/Target.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { formatSerial, parseSerial } from '../../src/core/serial.ts'
import { isAgentId, parseSpiffeId, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { CredentialFilter, Target } from '../store/port.ts'

/** @throws {MayflyError} INVALID_ARGUMENT, SERIAL_INVALID, SPIFFE_ID_INVALID */
export function targetFromWire(wire: Target__Output | null, trustDomain: TrustDomain): Target {
  if (wire === null) throw new MayflyError('INVALID_ARGUMENT', 'the target is missing')
  switch (wire.target) {
    case 'serial':
      return { kind: 'serial', serial: formatSerial(parseSerial(wire.serial ?? '')) }
    case 'spiffeId':
      return { kind: 'id', id: ownId(wire.spiffeId ?? '', trustDomain) }
    case 'entryId':
      return { kind: 'entry', entryId: named(wire.entryId, 'entry') }
    case 'agentId': {
      const id = ownId(wire.agentId ?? '', trustDomain)
      if (!isAgentId(id)) throw new MayflyError('INVALID_ARGUMENT', `${id} is not the ID of an agent`)
      return { kind: 'agent', id }
    }
    case 'owner':
      return { kind: 'owner', owner: named(wire.owner, 'owner') }
    case undefined:
      throw new MayflyError('INVALID_ARGUMENT', 'the target is missing')
    default:
      throw new MayflyError('INVALID_ARGUMENT', `no such target: ${String(wire.target satisfies never)}`)
  }
}

export function targetToWire(target: Target): TargetMessage {
  switch (target.kind) {
    case 'serial':
      return { serial: target.serial }
    case 'id':
      return { spiffeId: target.id }
    case 'entry':
      return { entryId: target.entryId }
    case 'agent':
      return { agentId: target.id }
    case 'owner':
      return { owner: target.owner }
    default:
      return target satisfies never
  }
}

/** The credentials under a target; `undefined` for a serial, which names one. */
export function credentialFilter(target: Target): CredentialFilter | undefined {
  switch (target.kind) {
    case 'serial':
      return undefined
    case 'id':
      return { spiffeId: target.id }
    case 'entry':
      return { entryId: target.entryId }
    case 'agent':
      return { agentId: target.id }
    case 'owner':
      return { owner: target.owner }
    default:
      return target satisfies never
  }
}

function ownId(text: string, trustDomain: TrustDomain): SpiffeId {
  const id = parseSpiffeId(text)
  if (trustDomainOf(id) !== trustDomain) throw new MayflyError('INVALID_ARGUMENT', `${id} is not in trust domain ${trustDomain}`)
  return id
}

function named(text: string | undefined, what: string): string {
  if (text === undefined || text === '' || text.length > 255) throw new MayflyError('INVALID_ARGUMENT', `the ${what} must be named, in at most 255 characters`)
  return text
}
