import type { AuthorityEnd } from '../../proto/generated/mayfly/v1/AuthorityEnd.ts'
import type { SigningAuthority } from '../../proto/generated/mayfly/v1/SigningAuthority.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { AuthoritySet } from '../ca/authorities.ts'
import type { Actor, Authority, EndResult, Store } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { checkReason } from './revocations-service.ts'

export interface AuthoritiesServiceDeps {
  readonly authorities: Pick<AuthoritySet, 'all' | 'prepare' | 'activate' | 'taint' | 'revoke'>
  readonly acknowledgements: { hasAll(authorityId: string): boolean }
  readonly store: Store
  readonly clock: Clock
}

/** More hits than this must be expected by number, as in `revoke`. */
const hitsWithoutExpectation = 10
const leastPrefix = 8

/** `mayfly.v1.Authorities`: the authorities of the trust domain and the steps of their lives, with what each step would hit said first. */
export function authoritiesService(deps: AuthoritiesServiceDeps): Handlers<'mayfly.v1.Authorities', Caller> {
  const { authorities, clock } = deps
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: clock.nowMs() })
  return {
    List: async () => ({ authorities: await Promise.all(authorities.all().map((authority) => toWire(authority, deps))) }),
    Prepare: async (_, { peer }) => await toWire(await authorities.prepare(actor(peer)), deps),
    Activate: async ({ id, force }, { peer }) => {
      const found = authorityOf(id, deps)
      await authorities.activate(found.id, actor(peer), { force })
      return await toWire(authorityOf(found.id, deps), deps)
    },
    Taint: async ({ id, replaceActive, dryRun, reason }, { peer }) => {
      const by = actor(peer)
      const found = authorityOf(id, deps)
      return await ended(found.id, await authorities.taint(found.id, by, { replaceActive, dryRun, reason: checkReason(reason) }), by, deps)
    },
    Revoke: async ({ id, replaceActive, dryRun, expect, reason }, { peer }) => {
      const by = actor(peer)
      const found = authorityOf(id, deps)
      const terms = { replaceActive, reason: checkReason(reason) }
      const planned = await authorities.revoke(found.id, by, { ...terms, dryRun: true })
      if (dryRun) return await ended(found.id, planned, by, deps)
      const { credentials } = planned.hits
      if (expect === null && credentials > hitsWithoutExpectation) {
        throw new MayflyError('EXPECTATION_FAILED', `this would end ${credentials} credentials`, { hint: `taint it first, which replaces them; or say --expect ${credentials}`, details: { hits: credentials } })
      }
      return await ended(found.id, await authorities.revoke(found.id, by, { ...terms, ...(expect === null ? {} : { expect: expect.value }) }), by, deps)
    },
  }
}

/** By its id, or a beginning of it that is no other's. @throws {MayflyError} NOT_FOUND, INVALID_ARGUMENT */
export function authorityOf(id: string, { authorities }: Pick<AuthoritiesServiceDeps, 'authorities'>): Authority {
  const text = id.toLowerCase()
  if (!/^[0-9a-f]{8,64}$/.test(text)) throw new MayflyError('INVALID_ARGUMENT', `an authority is named by ${leastPrefix} to 64 hexadecimal digits of its id`, { hint: 'mayfly authority show lists them' })
  const found = authorities.all().filter((authority) => authority.id.startsWith(text))
  const [first] = found
  if (first === undefined) throw new MayflyError('NOT_FOUND', `no authority ${text}`, { hint: 'mayfly authority show lists them' })
  if (found.length > 1) throw new MayflyError('INVALID_ARGUMENT', `${text} begins the id of ${found.length} authorities`, { hint: 'give more of it' })
  return first
}

async function toWire(authority: Authority, { store, clock, acknowledgements }: AuthoritiesServiceDeps): Promise<SigningAuthority> {
  const { id, state, notBeforeMs, notAfterMs, preparedAtMs, activatedAtMs, certificate, upstream } = authority
  const live = { authorityId: id, liveAtMs: clock.nowMs() }
  const liveCredentials = await store.credentials.count(live)
  const notReplaced = liveCredentials === 0 ? 0 : state === 'old' || state === 'tainted' ? await store.credentials.count({ ...live, notReplaced: true }) : liveCredentials
  return { id, state, notBeforeMs, notAfterMs, preparedAtMs, activatedAtMs: activatedAtMs ?? 0, liveCredentials, notReplaced, acknowledged: acknowledgements.hasAll(id), certificate: Buffer.from(certificate), above: [...(upstream?.chain ?? []), ...(upstream?.roots ?? [])].map((der) => Buffer.from(der)) }
}

async function ended(id: string, { hits, streamSeq }: EndResult, by: Actor, deps: AuthoritiesServiceDeps): Promise<AuthorityEnd> {
  const { credentials, workloads, owners } = hits
  return { authority: await toWire(authorityOf(id, deps), deps), credentials, workloads, owners: [...owners], epoch: deps.store.domain.epoch, streamSeq, committedAtMs: by.atMs }
}
