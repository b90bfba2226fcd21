import { resolve } from 'node:path'
import type { UpstreamAuthorityStatus } from '../../../proto/generated/mayfly/v1/UpstreamAuthorityStatus.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import type { AuthoritySet } from '../authorities.ts'
import type { DiskUpstreamConfig } from './disk.ts'
import type { Upstream } from './upstream.ts'

/** What a server says of the authority above its own; `undefined`: there is none. */
export function upstreamStatus(authorities: Pick<AuthoritySet, 'upstream' | 'upstreamProblem'>, { upstream: config }: { readonly upstream: DiskUpstreamConfig | undefined }): UpstreamAuthorityStatus | undefined {
  const upstream = authorities.upstream()
  if (upstream === undefined) return undefined
  const { certificate } = upstream
  return {
    subjectKeyId: toHex(certificate.extensions.subjectKeyId ?? new Uint8Array(0)),
    notAfterMs: certificate.notAfterMs,
    rootsNotAfterMs: rootsNotAfterMs(upstream),
    keyPath: config === undefined ? '' : resolve(config.keyPath),
    problem: authorities.upstreamProblem() ?? '',
  }
}

/** When the first of the roots ends. */
export function rootsNotAfterMs({ roots }: Pick<Upstream, 'roots'>): number {
  return Math.min(...roots.map((der) => parseCertificate(der).notAfterMs))
}
