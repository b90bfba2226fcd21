import { copyFile, mkdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Budget, Grant, GrantCause, GrantRole } from '../../../src/core/grant/grant.ts'
import { latestNotAfterMs } from '../../../src/core/grant/limits.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { SpiffeId } from '../../../src/core/spiffe-id.ts'
import type { Actor, Store, Target } from '../../../server/store/port.ts'
import { activation, approval, decided, prepareForGrants, renewal, requested, role, wish } from './grants.ts'
import { openAt, type TemporaryFolder } from './open.ts'
import { actorAt, agentId, attest, authority, id, nowMs } from './samples.ts'

/** What a caller of the store did and was told, for checks that hold whatever it does. */
export class GrantWorld implements AsyncDisposable {
  store: Store
  /** May be set back. */
  nowMs: number = nowMs
  /** In the order of their requests. */
  readonly ids: string[] = []
  /** Issues that were acknowledged: of which grant, and when. */
  readonly issued: { readonly grantId: string; readonly serial: string; readonly before: Grant; readonly after: Grant; readonly atMs: number }[] = []
  /** Ends that were acknowledged, with the head of the stream that they came with. */
  readonly ends: { readonly grantId: string; readonly streamSeq: number }[] = []
  /** Owners who answer, as they were told. */
  readonly owners: Set<string> = new Set(['team-a', 'team-b'])
  /** The first deadline that each grant was seen with. */
  readonly deadlines: Map<string, number> = new Map()
  readonly #folder: TemporaryFolder
  #file: string
  #keys = 0
  #taken = 0

  static async begin(folder: TemporaryFolder): Promise<GrantWorld> {
    const file = join(folder.path, `${folderCount++}.db`)
    const store = await openAt(file)
    await prepareForGrants(store, role({ approvals: 0 }))
    const { version: _version, ...second } = role({ name: 'careful', owner: 'team-b', approvals: 1, budget: { seconds: 600, renewals: 3, steps: 20, children: 4, depth: 3 } })
    await store.roles.put(second, 0, actorAt(nowMs))
    await attest(store, otherAgent)
    const world = new GrantWorld(store, folder, file)
    // a beginning with something to work on: a tree of three that runs, one more, and one that waits for its approval
    for (const [level, parent] of [[3, undefined], [2, 0], [1, 1], [2, undefined]] as const) {
      await world.request('writer', parent, { seconds: 400, steps: level * 5, renewals: level * 2, children: level * 2 - 2, depth: level - 1 }, true, 'approved')
      await world.issue(world.ids.length - 1, 0, false)
    }
    await world.request('careful', undefined, {}, false, 'pending')
    world.takeIssued() // before anything can happen to their owners
    return world
  }

  private constructor(store: Store, folder: TemporaryFolder, file: string) {
    this.store = store
    this.#folder = folder
    this.#file = file
  }

  get by(): Actor {
    return actorAt(this.nowMs)
  }

  /** What was issued since this was last asked. */
  takeIssued(): GrantWorld['issued'] {
    const since = this.issued.slice(this.#taken)
    this.#taken = this.issued.length
    return since
  }

  /** The k-th grant, round and round. */
  async pick(k: number): Promise<Grant | undefined> {
    const grantId = this.ids[k % Math.max(this.ids.length, 1)]
    return grantId === undefined ? undefined : this.store.grants.byId(grantId)
  }

  /** @param parentOf the k-th grant is the parent; a root when there is none */
  async request(roleName: string, parentOf: number | undefined, budget: Partial<Budget>, agent: boolean, outcome: 'approved' | 'pending' | 'denied'): Promise<void> {
    const given = await this.store.roles.byName(roleName)
    const parent = parentOf === undefined ? undefined : await this.pick(parentOf)
    if (given === undefined) return
    await this.tolerate(async () => {
      const grant = requested(given, parent, wish(this.ids.length, { budget, agentId: agent ? agentId : otherAgent, requestedAtMs: this.nowMs }))
      const first = given.approvals > 0 && outcome === 'approved' ? 'pending' : outcome
      await this.store.grants.request(grant, this.by, decided(first, first === 'pending' ? Math.max(1, given.approvals) : 0, this.nowMs))
      this.ids.push(grant.id)
    })
  }

  async approve(k: number, approver: string, lifeMs: number): Promise<void> {
    const grant = await this.pick(k)
    if (grant === undefined) return
    await this.tolerate(() => this.store.grants.move(grant.id, grant.version, { kind: 'approved', approval: approval(grant, approver, this.nowMs, this.nowMs + lifeMs), requestHash: grant.requestHash }, this.by))
  }

  /** Activates or renews, whichever its state suggests, with a life that may be too long. */
  async issue(k: number, tooLongMs: number, reuseKey: boolean): Promise<void> {
    const grant = await this.pick(k)
    if (grant !== undefined) await this.issueTo(grant, tooLongMs, reuseKey)
  }

  async issueTo(grant: Grant, tooLongMs: number, reuseKey: boolean): Promise<string> {
    const key = reuseKey ? `key ${this.#keys}` : `key ${++this.#keys}`
    const parent = grant.parentId === '' ? undefined : await this.store.grants.byId(grant.parentId)
    const deadline = grant.deadlineMs > 0 ? grant.deadlineMs : this.nowMs + grant.budget.seconds * 1_000
    const limitMs = latestNotAfterMs(
      { deadlineMs: deadline, parentDeadlineMs: parent?.deadlineMs, approvedUntilMs: grant.approvals[0]?.expiresAtMs ?? Number.POSITIVE_INFINITY, authorityNotAfterMs: authority('authority').notAfterMs, ttlSeconds: grant.ttlSeconds },
      this.nowMs,
    )
    const ttlMs = limitMs + tooLongMs - this.nowMs
    const { nowMs: atMs } = this
    return this.tolerate(async () => {
      const result = grant.state === 'approved' ? await this.store.grants.activate(grant.id, activation(grant, key, atMs, ttlMs), this.by) : await this.store.grants.renew(grant.id, renewal(grant, key, atMs, ttlMs), this.by)
      this.issued.push({ grantId: grant.id, serial: Buffer.from(result.serial).toString('hex'), before: grant, after: result.grant, atMs })
    })
  }

  async end(k: number, cause: GrantCause): Promise<void> {
    const grant = await this.pick(k)
    if (grant === undefined) return
    const { ended, streamSeq } = await this.store.grants.end(grant.id, { cause, detail: '' }, this.by)
    for (const grantId of ended) this.ends.push({ grantId, streamSeq })
  }

  async revoke(target: Target): Promise<void> {
    await this.tolerate(async () => {
      const before = await this.store.targets.revoke(target, { rotate: false, dryRun: true, reason: '' }, this.by)
      await this.store.targets.revoke(target, { rotate: false, dryRun: false, reason: 'incident', expect: before.hits.credentials }, this.by)
      if (target.kind !== 'serial') await this.store.targets.enable(target, '', this.by)
    })
  }

  async changeRole(name: string, change: (given: GrantRole) => GrantRole): Promise<void> {
    const given = await this.store.roles.byName(name)
    if (given === undefined) return
    const { version, ...rest } = change(given)
    await this.tolerate(() => this.store.roles.put(rest, version, this.by))
  }

  /** The process dies between two writes: what is in the files is all there is. */
  async crash(): Promise<void> {
    const folder = join(this.#folder.path, `crash ${folderCount++}`)
    await mkdir(folder)
    const file = join(folder, 'mayfly.db')
    await copyFile(this.#file, file)
    if (existsSync(`${this.#file}-wal`)) await copyFile(`${this.#file}-wal`, `${file}-wal`)
    await this.store[Symbol.asyncDispose]()
    this.#file = file
    this.store = await openAt(file)
    await this.store.credentials.abandonUnreleased(this.nowMs)
  }

  /** What a rule refuses is fine, and is said by its code; anything else is not. */
  async tolerate(attempt: () => Promise<unknown>): Promise<string> {
    try {
      await attempt()
      return 'OK'
    } catch (error) {
      if (error instanceof MayflyError && error.code !== 'INTERNAL' && error.code !== 'STORE_UNWRITABLE') return error.code
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]()
  }
}

export const otherAgent: SpiffeId = id('/spire/agent/join_token/two')
let folderCount = 0
