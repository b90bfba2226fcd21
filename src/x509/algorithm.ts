import { formatOid } from '../core/der/oid.ts'
import type { DerReader } from '../core/der/reader.ts'
import { tag } from '../core/der/tag.ts'

/** An AlgorithmIdentifier. */
export interface Algorithm {
  /** Dotted. */
  readonly oid: string
  /** The parameters with their header; `undefined` when absent. */
  readonly parameters: Uint8Array | undefined
}

/** @throws {MayflyError} DER_INVALID */
export function readAlgorithm(reader: DerReader): Algorithm {
  const inner = reader.enter(tag.sequence)
  const oid = formatOid(inner.read(tag.oid))
  const parameters = inner.done ? undefined : inner.readWhole()
  inner.finish()
  return { oid, parameters }
}

/** Whether the parameters are NULL, as RSA wants them. */
export function hasNullParameters(algorithm: Algorithm): boolean {
  return algorithm.parameters?.length === 2 && algorithm.parameters[0] === tag.null
}
