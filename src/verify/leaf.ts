import { isSpiffeId, parseSpiffeId, pathOf, segmentsOf, type SpiffeId } from '../core/spiffe-id.ts'
import type { Certificate } from '../x509/certificate.ts'
import { keyUsageBit } from '../x509/extensions.ts'
import { keyKindOf } from '../x509/spki.ts'
import { svidExtKeyUsages } from './path.ts'

export type LeafResult = { readonly kind: 'svid'; readonly id: SpiffeId } | { readonly kind: 'malformed'; readonly why: string }

/** The rules of X509-SVID 2 to 4 for a leaf on its own. Stricter than go-spiffe, which lets pass what X509-08, X509-09 and X509-17 refuse. */
export function svidOf(leaf: Certificate): LeafResult {
  const { extensions } = leaf
  const { subjectAltName, keyUsage, extKeyUsage } = extensions
  if (extensions.unknownCritical.length > 0) return malformed(`it has a critical extension that is not known: ${extensions.unknownCritical[0] ?? ''}`)
  if (extensions.nameConstraints !== undefined) return malformed('a leaf has name constraints')
  if (extensions.basicConstraints?.ca === true) return malformed('a signing certificate does not authenticate: cA is set')
  if (keyUsage === undefined) return malformed('it has no key usage')
  if (!keyUsage.critical) return malformed('its key usage is not critical')
  if ((keyUsage.bits & keyUsageBit.digitalSignature) === 0) return malformed('its key usage lacks digitalSignature')
  if ((keyUsage.bits & (keyUsageBit.keyCertSign | keyUsageBit.cRLSign)) !== 0) return malformed('its key usage has keyCertSign or cRLSign')
  if (extKeyUsage !== undefined && !svidExtKeyUsages.every((usage) => extKeyUsage.oids.includes(usage))) return malformed('its extended key usage lacks serverAuth or clientAuth')
  if (subjectAltName === undefined || subjectAltName.uris.length === 0) return malformed('it has no URI')
  if (subjectAltName.uris.length > 1) return malformed('it has more than one URI')
  if (leaf.subjectIsEmpty && !subjectAltName.critical) return malformed('its subject is empty and its alternative name is not critical')
  if (keyKindOf(leaf.spki) === undefined) return malformed('its key is of a kind that is not supported')
  const uri = subjectAltName.uris[0] ?? ''
  if (!isSpiffeId(uri)) return malformed('its URI is not a SPIFFE ID')
  const id = parseSpiffeId(uri)
  if (pathOf(id) === '') return malformed('its SPIFFE ID has no path')
  const { grant } = extensions
  if (grant !== undefined && segmentsOf(id).at(-1) !== grant.id) return malformed('it claims another grant than its SPIFFE ID names')
  return { kind: 'svid', id }
}

function malformed(why: string): LeafResult {
  return { kind: 'malformed', why }
}
