import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Caller } from './caller.ts'

/** The agent that calls; the authorization table has let only agents come here. @throws {MayflyError} PERMISSION_DENIED */
export function agentOf(caller: Caller): SpiffeId {
  if (caller.kind !== 'svid' && caller.kind !== 'outdated' && caller.kind !== 'unindexed') throw new MayflyError('PERMISSION_DENIED', 'only an agent may make this call')
  return caller.id
}

/** Ids of the authorities above its SVID. */
export function authoritiesOf(caller: Caller): readonly string[] {
  return caller.kind === 'svid' ? [caller.facts.authorityId, ...caller.facts.aboveIds] : []
}
