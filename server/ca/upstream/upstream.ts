import { equalBytes } from '../../../src/core/bytes.ts'
import type { Certificate } from '../../../src/x509/certificate.ts'
import type { SigningKey } from '../../../src/x509/signing-key.ts'
import type { AuthorityUpstream } from '../../store/port.ts'

/** An authority above the trust domain's own, whose key signs them: a root, or an intermediate below one. */
export interface Upstream extends AuthorityUpstream {
  readonly certificate: Certificate
  readonly key: SigningKey
  /** Those above it, to the root it leads to; empty when it is a root. */
  readonly above: readonly Certificate[]
}

/** Where the upstream authority comes from, read anew at each call, so that it may be exchanged while the server runs. */
export interface UpstreamSource {
  /** @throws {MayflyError} UPSTREAM_INVALID */
  current(): Promise<Upstream>
  /** Lists of revoked certificates, DER, by authorities above whose keys are not here. @throws {MayflyError} UPSTREAM_CRL_MISSING when the file cannot be read */
  lists(): Promise<readonly Uint8Array[]>
}

/** Whether what was signed below one hangs on the other: the same certificates, in the same places. */
export function isSameUpstream(left: AuthorityUpstream | undefined, right: AuthorityUpstream | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return sameCertificates(left.chain, right.chain) && sameCertificates(left.roots, right.roots)
}

function sameCertificates(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return left.length === right.length && left.every((der, at) => equalBytes(der, right[at] ?? new Uint8Array(0)))
}
