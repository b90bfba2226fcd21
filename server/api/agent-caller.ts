import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Caller } from './caller.ts'

/** The agent that calls; the authorization table has let only agents come here. @throws {MayflyError} PERMISSION_DENIED */
export function agentOf(caller: Caller): SpiffeId {
  if (caller.kind !== 'svid') throw new MayflyError('PERMISSION_DENIED', 'only an agent may make this call')
  return caller.id
}
