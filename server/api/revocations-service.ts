import type { RevokeResponse } from '../../proto/generated/mayfly/v1/RevokeResponse.ts'
import type { RevokeRequest__Output } from '../../proto/generated/mayfly/v1/RevokeRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { TargetEnds } from '../grants/target-ends.ts'
import type { Actor, Store } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { targetFromWire, targetToWire } from './wire-target.ts'

export interface RevocationsServiceDeps {
  readonly store: Store
  readonly grants: { readonly targets: Pick<TargetEnds, 'revoke'> }
  /** What is live is told by the time of grants, which no leap of the wall clock moves: a clock an hour ahead hides nothing from a revocation. */
  readonly grantTimeMs: () => number
  readonly log: Logger
  readonly trustDomain: TrustDomain
}

const maxReasonLength = 500

/** `mayfly.v1.Revocations`: end what is live under a target, disable it, enable it again. */
export function revocationsService(deps: RevocationsServiceDeps): Handlers<'mayfly.v1.Revocations', Caller> {
  const { store, grantTimeMs, log, trustDomain } = deps
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: grantTimeMs() })
  return {
    Revoke: async (request, { peer }) => await revoke(request, actor(peer), deps),
    Disable: async ({ target: wire, reason }, { peer }) => {
      const target = targetFromWire(wire, trustDomain)
      await store.targets.disable(target, checkReason(reason), actor(peer))
      log.info({ event: 'target.disabled', target, by: nameOf(peer), reason }, 'disabled')
      return {}
    },
    Enable: async ({ target: wire, reason }, { peer }) => {
      const target = targetFromWire(wire, trustDomain)
      await store.targets.enable(target, checkReason(reason), actor(peer))
      log.info({ event: 'target.enabled', target, by: nameOf(peer), reason }, 'enabled')
      return {}
    },
    ListDisabled: async () => ({
      targets: (await store.targets.disabled()).map(({ target, reason, by, atMs }) => ({ target: targetToWire(target), reason, by, atMs })),
    }),
  }
}

async function revoke(request: RevokeRequest__Output, by: Actor, { store, grants, log, trustDomain }: RevocationsServiceDeps): Promise<RevokeResponse> {
  const target = targetFromWire(request.target, trustDomain)
  const expect = request.expect?.value
  const { dryRun, rotate } = request
  const { hits, streamSeq } = await grants.targets.revoke(target, { rotate, dryRun, reason: checkReason(request.reason), ...(expect === undefined ? {} : { expect }) }, by)
  const disabled = !dryRun && !rotate && target.kind !== 'serial'
  if (!dryRun) log.info({ event: 'target.revoked', target, rotate, by: by.name, reason: request.reason, credentials: hits.credentials, streamSeq }, 'revoked')
  return {
    credentials: hits.credentials,
    workloads: hits.workloads,
    owners: [...hits.owners],
    serials: [...hits.serials],
    epoch: store.domain.epoch,
    streamSeq,
    committedAtMs: by.atMs,
    disabled,
  }
}

/** Reasons are kept and shown in terminals. @throws {MayflyError} INVALID_ARGUMENT */
export function checkReason(reason: string): string {
  if (reason.length > maxReasonLength || /\p{Cc}/u.test(reason)) throw new MayflyError('INVALID_ARGUMENT', `a reason is at most ${maxReasonLength} characters without control characters`)
  return reason
}
