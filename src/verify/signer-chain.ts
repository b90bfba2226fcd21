import type { KeyObject } from 'node:crypto'
import { MayflyError } from '../core/errors.ts'
import { isValidAt } from '../x509/certificate.ts'
import { keyUsageBit } from '../x509/extensions.ts'
import { publicKeyHash } from '../x509/fingerprint.ts'
import { oid } from '../x509/oids.ts'
import { importPublicKey, keyKindOf } from '../x509/spki.ts'
import type { TrustAnchor } from './bundle-set.ts'
import { parseChain, validatePath, type PeerChain } from './path.ts'

/** A key that may sign the revocation stream, certified by an authority of the trust domain. */
export interface StreamKey {
  /** SHA-256 of its SubjectPublicKeyInfo, 32 bytes. */
  readonly keyId: Uint8Array
  readonly key: KeyObject
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Of the authorities above it; when one is revoked, so is the key. */
  readonly authorityIds: readonly string[]
}

export type SignerResult = { readonly kind: 'key'; readonly key: StreamKey } | { readonly kind: 'refused'; readonly why: string }

/** Longest validity of a stream key's certificate: 24 h, and a minute for a notBefore that lies back. */
const maxSignerLifeMs = 86_460_000

/**
 * Verifies the certificate of a stream key, DER, leaf first: an Ed25519 leaf with our extended key usage and no URI, of at most 24 h,
 * chained to an authority of the trust domain. Whether that authority was revoked is the caller's question.
 */
export function verifySignerChain(chain: readonly Uint8Array[], anchors: readonly TrustAnchor[], nowMs: number): SignerResult {
  try {
    return verifyParsed(parseChain(chain), anchors, nowMs)
  } catch (error) {
    if (error instanceof MayflyError) return refused(error.message)
    throw error
  }
}

function verifyParsed(chain: PeerChain, anchors: readonly TrustAnchor[], nowMs: number): SignerResult {
  const { leaf } = chain
  const { basicConstraints, keyUsage, extKeyUsage, subjectAltName, unknownCritical } = leaf.extensions
  if (keyKindOf(leaf.spki) !== 'Ed25519') return refused('its key is not Ed25519')
  if (unknownCritical.length > 0) return refused('it has a critical extension that is not known')
  if (basicConstraints?.ca === true) return refused('it is an authority')
  if (keyUsage === undefined || !keyUsage.critical || keyUsage.bits !== keyUsageBit.digitalSignature) return refused('its key usage is not digitalSignature alone')
  if (extKeyUsage?.oids.length !== 1 || extKeyUsage.oids[0] !== oid.revocationStreamSigning) return refused('its extended key usage is not that of the revocation stream alone')
  if (subjectAltName !== undefined && subjectAltName.uris.length > 0) return refused('it has a URI')
  if (leaf.notAfterMs - leaf.notBeforeMs > maxSignerLifeMs) return refused('it is valid for more than 24 h')
  if (!isValidAt(leaf, nowMs)) return refused('it is not valid at this time')
  const path = validatePath(chain, anchors, [oid.revocationStreamSigning], nowMs)
  if (path.kind === 'untrusted') return refused(path.why)
  const { notBeforeMs, notAfterMs } = leaf
  return { kind: 'key', key: { keyId: publicKeyHash(leaf.spki), key: importPublicKey(leaf.spki), notBeforeMs, notAfterMs, authorityIds: path.authorityIds } }
}

function refused(why: string): SignerResult {
  return { kind: 'refused', why }
}
