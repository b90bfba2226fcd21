import type { X509SVID } from '../../proto/generated/spire/api/types/X509SVID.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { IssueOutcome, IssueRequest } from '../ca/pipeline.ts'
import { idToWire } from './wire-id.ts'

/** What the services need of the certificate authority: `IssuancePipeline`. */
export interface Issuer {
  issue(requests: readonly IssueRequest[], signal: AbortSignal): Promise<readonly IssueOutcome[]>
}

export type Issued = Extract<IssueOutcome, { readonly kind: 'issued' }>

/** One SVID, or an error. @throws {MayflyError} what the pipeline refused it with */
export async function issueOne(issuer: Issuer, request: IssueRequest, signal: AbortSignal): Promise<Issued> {
  const [outcome] = await issuer.issue([request], signal)
  if (outcome === undefined) throw new MayflyError('INTERNAL', 'no outcome')
  if (outcome.kind === 'refused') throw new MayflyError(outcome.code, outcome.message)
  return outcome
}

export function svidToWire({ chain, spiffeId, notAfterMs }: Issued): X509SVID {
  return { certChain: chain.map((der) => Buffer.from(der.buffer, der.byteOffset, der.byteLength)), id: idToWire(spiffeId), expiresAt: Math.floor(notAfterMs / 1_000) }
}
