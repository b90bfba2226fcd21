import type { AuthorityState } from '../../../src/core/authority.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { subjectKeyIdOf } from '../../../src/x509/template.ts'
import type { Authority, EndResult } from '../../store/port.ts'

/** What ended with an upstream authority. */
export interface UpstreamEnd {
  /** The authorities below it, by id. */
  readonly authorityIds: readonly string[]
  readonly credentials: number
}

/**
 * Ends every authority below an upstream one that is in one of `states`. @param subjectKeyId of the upstream authority, hexadecimal
 * @throws {MayflyError} NOT_FOUND, AUTHORITY_STATE when one below it is in another state: nothing has ended then
 */
export async function endUpstream(all: readonly Authority[], subjectKeyId: string, states: readonly AuthorityState[], end: (id: string) => Promise<EndResult>): Promise<UpstreamEnd> {
  const wanted = subjectKeyId.toLowerCase()
  const below = all.filter((authority) => authority.state !== 'revoked' && upstreamKeyIds(authority).includes(wanted))
  if (below.length === 0) throw new MayflyError('NOT_FOUND', 'no authority here is below this upstream one')
  const done: readonly AuthorityState[] = states.includes('tainted') ? [] : ['tainted']
  const other = below.find(({ state }) => !states.includes(state) && !done.includes(state))
  if (other !== undefined) {
    throw new MayflyError('AUTHORITY_STATE', `an authority below it is ${other.state}`, { hint: other.state === 'active' ? 'exchange the upstream authority first, and let the next one take its place' : 'taint the upstream authority first' })
  }
  const authorityIds = below.filter(({ state }) => states.includes(state)).map(({ id }) => id)
  let credentials = 0
  for (const id of authorityIds) credentials += (await end(id)).hits.credentials
  return { authorityIds, credentials }
}

/** Subject key identifiers, hexadecimal, of everything above an authority, its issuer first; empty for a self-signed one. */
export function upstreamKeyIds({ upstream, certificate }: Authority): readonly string[] {
  if (upstream === undefined) return []
  const issuerKeyId = parseCertificate(certificate).extensions.authorityKeyId
  const ids = [...upstream.chain, ...upstream.roots].map(keyIdOf)
  const first = issuerKeyId === undefined ? undefined : toHex(issuerKeyId)
  return first === undefined || ids[0] === first ? ids : [first, ...ids.filter((id) => id !== first)]
}

function keyIdOf(der: Uint8Array): string {
  const { spki, extensions } = parseCertificate(der)
  return toHex(extensions.subjectKeyId ?? subjectKeyIdOf(publicKeyHash(spki)))
}
