import { join } from 'node:path'

import { parseTrustDomain } from '../core/spiffe-id.ts'
import { encodeCertificatesPem } from '../x509/pem.ts'
import { writeFileAtomic } from '../system/files.ts'
import type { PemFiles } from './svids.ts'

/** Where the three files of an identity are. */
export interface SvidPaths {
  readonly svid: string
  readonly key: string
  readonly bundle: string
}

export function svidPaths(folder: string, suffix = ''): SvidPaths {
  return { svid: join(folder, `svid${suffix}.pem`), key: join(folder, `key${suffix}.pem`), bundle: join(folder, `bundle${suffix}.pem`) }
}

/** A file of each trust domain, never one of several: whoever reads it must know whose authorities it holds. @param federated by SPIFFE ID, DER */
export async function writeFederated(folder: string, federated: Readonly<Record<string, readonly Uint8Array[]>>): Promise<void> {
  for (const [id, authorities] of Object.entries(federated)) await writeFileAtomic(join(folder, `federated.${parseTrustDomain(id.slice('spiffe://'.length))}.pem`), encodeCertificatesPem(authorities), 0o644)
}

/** Each file is replaced whole. The key goes first, so that who sees the new certificate finds its key. */
export async function writeSvid(paths: SvidPaths, pem: PemFiles): Promise<void> {
  await writeFileAtomic(paths.key, pem.key, 0o600)
  await writeFileAtomic(paths.svid, pem.svid, 0o644)
  await writeFileAtomic(paths.bundle, pem.bundle, 0o644)
}
