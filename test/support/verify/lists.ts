import { derOid } from '../../../src/core/der/oid.ts'
import { constructedContextTag } from '../../../src/core/der/tag.ts'
import { derTime } from '../../../src/core/der/time.ts'
import { derBitString, derSequence, derUnsigned, derValue } from '../../../src/core/der/writer.ts'
import { oid } from '../../../src/x509/oids.ts'
import type { PrivateKey } from '../../../src/x509/private-key.ts'
import { ext, extension, nowMs, type Issued } from './certificates.ts'

/** Everything in a list, each field to be replaced: made valid, then broken in one field a case. */
export interface ListFields {
  readonly version: number
  readonly issuer: Uint8Array
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number | undefined
  readonly serials: readonly Uint8Array[]
  /** Of each entry, each a whole Extension. */
  readonly entryExtensions: readonly Uint8Array[]
  readonly extensions: readonly Uint8Array[]
  readonly signer: PrivateKey
}

/** A list of what this authority revoked, or with overrides one that is none. */
export function revocationList(authority: Issued, overrides: Partial<ListFields> = {}): Uint8Array {
  const fields: ListFields = {
    version: 1,
    issuer: authority.fields.subject,
    thisUpdateMs: nowMs - 1_000,
    nextUpdateMs: nowMs + 3_600_000,
    serials: [],
    entryExtensions: [],
    extensions: [ext.authorityKeyId(authority.key.spki), extension(oid.crlNumber, false, derUnsigned(Uint8Array.of(7)))],
    signer: authority.key,
    ...overrides,
  }
  const algorithm = derSequence(derOid(fields.signer.kind === 'Ed25519' ? oid.ed25519 : fields.signer.kind === 'P-384' ? oid.ecdsaWithSha384 : oid.ecdsaWithSha256))
  const entries = fields.serials.map((serial) => derSequence(derUnsigned(serial), derTime(nowMs - 60_000), ...(fields.entryExtensions.length === 0 ? [] : [derSequence(...fields.entryExtensions)])))
  const tbs = derSequence(
    derUnsigned(Uint8Array.of(fields.version)),
    algorithm,
    fields.issuer,
    derTime(fields.thisUpdateMs),
    ...(fields.nextUpdateMs === undefined ? [] : [derTime(fields.nextUpdateMs)]),
    ...(entries.length === 0 ? [] : [derSequence(...entries)]),
    ...(fields.extensions.length === 0 ? [] : [derValue(constructedContextTag(0), derSequence(...fields.extensions))]),
  )
  return derSequence(tbs, algorithm, derBitString(fields.signer.sign(tbs)))
}
