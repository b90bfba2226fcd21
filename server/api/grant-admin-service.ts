import type { Grant as WireGrant } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { ListGrantsRequest__Output } from '../../proto/generated/mayfly/v1/ListGrantsRequest.ts'
import type { Owner as WireOwner } from '../../proto/generated/mayfly/v1/Owner.ts'
import type { OwnerEnd as WireOwnerEnd } from '../../proto/generated/mayfly/v1/OwnerEnd.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Grant, GrantState } from '../../src/core/grant/grant.ts'
import { isGrantId } from '../../src/core/grant/grant-id.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { Grants } from '../grants/grants.ts'
import type { GrantFilter, OwnerShare } from '../store/grant-model.ts'
import type { OwnerEnd } from '../store/grant-port.ts'
import type { Actor, Page, Store } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { checkReason } from './revocations-service.ts'
import { Wakeup } from './wakeup.ts'
import { grantToWire, roleFromWire, roleToWire, stepToWire } from './wire-grant.ts'

export interface GrantAdminServiceDeps {
  readonly grants: Grants
  readonly store: Store
  readonly log: Logger
}

const defaultPageSize = 100
const maxPageSize = 1_000
const maxUnowned = 1_000
const states: readonly GrantState[] = ['requested', 'denied', 'pending_approval', 'approved', 'lapsed', 'active', 'suspended', 'ending', 'ended']

/** `mayfly.v1.GrantAdmin`: people and grants, roles, owners. */
export function grantAdminService({ grants, store, log }: GrantAdminServiceDeps): Handlers<'mayfly.v1.GrantAdmin', Caller> {
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: grants.nowMs() })
  const { owners } = grants
  return {
    List: async (request) => {
      const { items, next } = await store.grants.list(filterOf(request), pageOf(request))
      return { grants: items.map(grantToWire), nextPageToken: next ?? '' }
    },
    Show: async ({ grantId }) => grantToWire(await shown(grantId, grants, store)),
    Watch: ({ grantId }, { signal }) => watch(grantId, signal, grants, store),
    End: async ({ grantId, outcome, detail }, { peer }) => {
      const by = nameOf(peer)
      const ending = { cause: 'operator' as const, detail: checkReason(detail), ...(outcome === '' ? {} : { outcome }) } // `as const`: a member of the union
      const { grant, ended, hits, streamSeq } = await grants.ends.end((await shown(grantId, grants, store)).id, ending, by)
      return { grant: grantToWire(grant), grants: ended.length, credentials: hits.credentials, epoch: store.domain.epoch, streamSeq, committedAtMs: grant.endedAtMs }
    },
    Suspend: async ({ grantId, detail }, { peer }) => grantToWire(await grants.suspend((await shown(grantId, grants, store)).id, checkReason(detail), nameOf(peer))),
    Resume: async ({ grantId }, { peer }) => grantToWire(await grants.resume((await shown(grantId, grants, store)).id, `resumed by ${nameOf(peer)}`, nameOf(peer))),
    ListSteps: async (request) => {
      const { id } = await shown(request.grantId, grants, store)
      const { items, next } = await store.grants.steps(id, pageOf(request))
      return { steps: items.map(stepToWire), nextPageToken: next ?? '' }
    },
    PutRole: async ({ role, ifVersion }, { peer }) => {
      const by = actor(peer)
      const put = await store.roles.put(roleFromWire(role), ifVersion, by)
      log.info({ event: 'role.put', role: put.name, version: put.version, by: by.name }, 'a grant role was written')
      return roleToWire(put)
    },
    DeleteRole: async ({ name }, { peer }) => {
      const by = actor(peer)
      await store.roles.delete(name, by)
      log.info({ event: 'role.deleted', role: name, by: by.name }, 'a grant role was deleted')
      return {}
    },
    ListRoles: async () => ({ roles: (await store.roles.all()).map(roleToWire) }),
    PutOwner: async ({ name, contact }, { peer }) => {
      await store.owners.put({ name, contact }, actor(peer))
      const share = (await store.owners.all()).find((owner) => owner.name === name)
      return share === undefined ? { name, contact } : ownerToWire(share)
    },
    ListOwners: async () => {
      const [shares, unowned] = await Promise.all([store.owners.all(), store.owners.unowned(maxUnowned)])
      return { owners: shares.map(ownerToWire), unowned: [...unowned] }
    },
    TransferOwner: async ({ from, to }, { peer }) => ownerEndToWire(await owners.transfer(from, to, actor(peer))),
    RemoveOwner: async ({ name, endAll, dryRun, expect }, { peer }) =>
      ownerEndToWire(await owners.remove(name, { endAll, dryRun, ...(expect === null ? {} : { expect: expect.value }) }, actor(peer))),
  }
}

/** By its ID, or by a beginning of it that no other grant which is not over has. @throws {MayflyError} NOT_FOUND, INVALID_ARGUMENT */
async function shown(id: string, grants: Grants, store: Store): Promise<Grant> {
  const grant = grants.index.byId(id) ?? (isGrantId(id) ? await store.grants.byId(id) : undefined)
  if (grant !== undefined) return grant
  const beginning = id.length >= leastPrefix ? [...grants.index.all()].filter((one) => one.id.startsWith(id)) : []
  const [first, ...others] = beginning
  if (first === undefined) throw new MayflyError('NOT_FOUND', `no grant ${JSON.stringify(id.slice(0, 40))}`, { hint: 'mayfly grant list' })
  if (others.length > 0) throw new MayflyError('INVALID_ARGUMENT', `${id} begins the ID of ${beginning.length} grants`, { hint: 'give more of it' })
  return first
}

const leastPrefix = 6

/** One grant until it is over, or all from now on; a slow reader is told the latest of each. */
async function* watch(id: string, signal: AbortSignal, grants: Grants, store: Store): AsyncGenerator<WireGrant> {
  const one = id === '' ? undefined : await shown(id, grants, store)
  const waiting = new Map<string, Grant>()
  const wakeup = new Wakeup()
  using following = grants.index.onChange((grant) => {
    if (one !== undefined && grant.id !== one.id) return
    waiting.set(grant.id, grant)
    wakeup.wake()
  })
  void following // held until the reader has gone
  if (one !== undefined) {
    const now = grants.index.byId(one.id) ?? (await store.grants.byId(one.id)) ?? one
    yield grantToWire(now)
    if (isClosed(now)) return
  }
  while (!signal.aborted) {
    await wakeup.wait(signal)
    for (const [key, grant] of waiting) {
      waiting.delete(key)
      yield grantToWire(grant)
      if (one !== undefined && isClosed(grant)) return
    }
  }
}

function isClosed({ state }: Grant): boolean {
  return state === 'denied' || state === 'lapsed' || state === 'ended'
}

function filterOf({ role, owner, agentId, states: wanted, rootId }: ListGrantsRequest__Output): GrantFilter {
  const unknown = wanted.find((text) => !states.some((state) => state === text))
  if (unknown !== undefined) throw new MayflyError('INVALID_ARGUMENT', `no state ${JSON.stringify(unknown.slice(0, 40))}`, { hint: `states are ${states.join(', ')}` })
  return {
    ...(role === null ? {} : { role: role.value }),
    ...(owner === null ? {} : { owner: owner.value }),
    ...(agentId === null ? {} : { agentId: parseSpiffeId(agentId.value) }),
    ...(rootId === null ? {} : { rootId: rootId.value }),
    ...(wanted.length === 0 ? {} : { states: states.filter((state) => wanted.includes(state)) }),
  }
}

function pageOf({ pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string }): Page {
  const size = pageSize <= 0 ? defaultPageSize : Math.min(pageSize, maxPageSize)
  return pageToken === '' ? { size } : { size, after: pageToken }
}

function ownerToWire({ name, contact, entries, roles, grants, removed }: OwnerShare): WireOwner {
  return { name, contact, entries, roles, grants, removed }
}

function ownerEndToWire({ owned, hits, streamSeq }: OwnerEnd): WireOwnerEnd {
  return { ...owned, credentials: hits.credentials, streamSeq }
}
