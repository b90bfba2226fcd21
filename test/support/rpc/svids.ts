import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import type { TestIssuer } from '../agent/test-issuer.ts'

export interface TestSvid {
  readonly certificateChain: readonly Uint8Array[]
  readonly privateKey: KeyObject
  /** PKCS#8, DER. */
  readonly pkcs8: Uint8Array
}

/** A fresh X.509-SVID with a key of its own. */
export function issueSvid(issuer: TestIssuer, spiffeId: string, nowMs: number = Date.now(), ttlMs = 900_000): TestSvid {
  const key = PrivateKey.generate()
  const certificate = issuer.sign(buildCsr(key), spiffeId, nowMs, ttlMs)
  const pkcs8 = key.toPkcs8()
  return { certificateChain: [certificate], privateKey: createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }), pkcs8 }
}
