import type { ListVerifiersResponse } from '../../proto/generated/mayfly/v1/ListVerifiersResponse.ts'
import type { RevocationSpread } from '../../proto/generated/mayfly/v1/RevocationSpread.ts'
import type { RevocationStatusResponse } from '../../proto/generated/mayfly/v1/RevocationStatusResponse.ts'
import type { AwaitReceiptsResponse } from '../../proto/generated/mayfly/v1/AwaitReceiptsResponse.ts'
import type { RegisteredVerifier as VerifierMessage } from '../../proto/generated/mayfly/v1/RegisteredVerifier.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { VerifierRegistry } from '../verifiers/registry.ts'
import { percentile, type Revocation } from '../verifiers/spread.ts'
import type { Verifier } from '../verifiers/verifier.ts'
import { waitFor, type Progress } from '../verifiers/waiting.ts'
import type { Caller } from './caller.ts'

export interface VerifiersServiceDeps {
  readonly verifiers: VerifierRegistry
  readonly clock: Clock
}

const defaultRevocations = 20
const maxNamed = 100
const maxPage = 1_000

/** `mayfly.v1.Verifiers`: who checks peers, and how far revocations have spread. */
export function verifiersService({ verifiers, clock }: VerifiersServiceDeps): Handlers<'mayfly.v1.Verifiers', Caller> {
  return {
    List: async ({ pageSize, pageToken }) => pageOf(verifiers, pageSize > 0 ? Math.min(pageSize, maxPage) : maxPage, pageToken),
    RevocationStatus: async ({ limit }) => statusOf(verifiers, limit > 0 ? limit : defaultRevocations),
    AwaitReceipts: ({ epoch, seq }, { signal }) => awaitReceipts(epoch, seq, verifiers, clock, signal),
  }
}

/** In the order of their instances, so that whoever comes or goes between two pages moves no other. @param after the last instance of the page before */
function pageOf({ all, unregistered, head }: VerifierRegistry, size: number, after: string): ListVerifiersResponse {
  const rest = all.filter(({ registered }) => registered.instance > after).toSorted((left, right) => (left.registered.instance < right.registered.instance ? -1 : 1))
  const page = rest.slice(0, size)
  return { verifiers: page.map(toWire), unregistered, epoch: head.epoch, seq: head.seq, nextPageToken: rest.length > size ? (page.at(-1)?.registered.instance ?? '') : '' }
}

function statusOf(verifiers: VerifierRegistry, limit: number): RevocationStatusResponse {
  const { all, relied, head, unregistered } = verifiers
  const revocations = verifiers.spread.revocations.slice(-limit).toReversed().map((revocation) => spreadToWire(revocation, relied, head.epoch))
  return { epoch: head.epoch, seq: head.seq, revocations, unregistered, unsigned: all.length - relied.length }
}

function spreadToWire({ seq, committedAtMs, events, delaysMs }: Revocation, signed: readonly Verifier[], epoch: number): RevocationSpread {
  const missing = signed.filter((verifier) => verifier.epoch < epoch || (verifier.epoch === epoch && verifier.seq < seq))
  return {
    seq,
    committedAtMs,
    events,
    receipted: signed.length - missing.length,
    verifiers: signed.length,
    p50Ms: percentile(delaysMs, 0.5),
    p99Ms: percentile(delaysMs, 0.99),
    maxMs: percentile(delaysMs, 1),
    missing: missing.slice(0, maxNamed).map(toWire),
  }
}

async function* awaitReceipts(epoch: number, seq: number, verifiers: VerifierRegistry, clock: Clock, signal: AbortSignal): AsyncGenerator<AwaitReceiptsResponse, void, undefined> {
  const { head } = verifiers
  if (epoch !== head.epoch || seq > head.seq) throw new MayflyError('INVALID_ARGUMENT', `the stream is at ${head.epoch}/${head.seq}`)
  for await (const progress of waitFor(epoch, seq, verifiers, clock, signal)) yield progressToWire(progress, verifiers.unregistered)
}

function progressToWire({ verifiers, receipted, waiting, pastLimit, uncovered, unsigned }: Progress, unregistered: number): AwaitReceiptsResponse {
  return { verifiers, receipted, pastLimit: pastLimit.slice(0, maxNamed).map(toWire), uncovered: uncovered.slice(0, maxNamed).map(toWire), unregistered, unsigned, done: waiting === 0 }
}

function toWire({ registered, epoch, seq, receiptAtMs, stateDiffers, unsigned }: Verifier): VerifierMessage {
  return {
    instance: registered.instance,
    spiffeId: registered.spiffeId ?? '',
    class: registered.class,
    software: registered.software,
    agentId: registered.agentId,
    registeredAtMs: registered.registeredAtMs,
    epoch,
    seq,
    receiptAtMs,
    stateDiffers,
    unsigned,
  }
}
