import { getCompileCacheDir } from 'node:module'
import type { TrustDomain } from '../../../src/core/spiffe-id.ts'
import type { Store } from '../port.ts'
import { packRequests, packSerials, unpackResults } from './packing.ts'
import { WorkerLink } from './link.ts'
import { grantAreas } from './open-grants.ts'

export interface SqliteStoreOptions {
  /** A file whose folder exists, or `:memory:`. */
  readonly path: string
  /** Of the store; a store of another trust domain is refused. Unset: a store that is there, whichever it is of. */
  readonly trustDomain: TrustDomain | undefined
  /** Now, ms since the epoch: a new store is dated by it. */
  readonly nowMs: number
  readonly readOnly?: boolean
}

export interface SqliteStoreDeps {
  /** Takes the store for this process: rejects with STORE_LOCKED, naming the other process where it can. SQLite's own lock is taken in any case. */
  readonly lock?: (path: string) => Promise<AsyncDisposable>
  /** The worker's file, for tests that make its steps fail. */
  readonly workerUrl?: URL
}

/**
 * Opens the store, makes it when there is none, migrates it forward. One process at a time.
 * @throws {MayflyError} STORE_LOCKED, STORE_NEWER, STORE_CORRUPT, STORE_UNWRITABLE, CONFIG_INVALID (another trust domain)
 */
export async function openSqliteStore(options: SqliteStoreOptions, deps: SqliteStoreDeps = {}): Promise<Store> {
  const { path, trustDomain, nowMs, readOnly = false } = options
  await using taken = new AsyncDisposableStack()
  if (deps.lock !== undefined && path !== ':memory:') taken.use(await deps.lock(path))
  const link = await WorkerLink.start(deps.workerUrl ?? workerUrl, { path, trustDomain, atMs: nowMs, readOnly, compileCache: getCompileCacheDir() })
  const held = taken.move()
  held.defer(() => link.close())
  return storeOver(link, held)
}

/** The worker lies beside this file, as TypeScript or, in the package, as JavaScript. */
const workerUrl = new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

function storeOver(link: WorkerLink, held: AsyncDisposableStack): Store {
  return {
    domain: link.domain,
    lost: link.lost,
    ...grantAreas(link),
    entries: {
      create: (...args) => link.call('entries.create', args),
      update: (...args) => link.call('entries.update', args),
      delete: (...args) => link.call('entries.delete', args),
      byId: (...args) => link.call('entries.byId', args),
      list: (...args) => link.call('entries.list', args),
      count: (...args) => link.call('entries.count', args),
    },
    agents: {
      createJoinToken: (...args) => link.call('agents.createJoinToken', args),
      redeemJoinToken: (...args) => link.call('agents.redeemJoinToken', args),
      attest: (...args) => link.call('agents.attest', args),
      recordSvid: (...args) => link.call('agents.recordSvid', args),
      recordVersion: (...args) => link.call('agents.recordVersion', args),
      byId: (...args) => link.call('agents.byId', args),
      list: (...args) => link.call('agents.list', args),
      count: (...args) => link.call('agents.count', args),
      ban: (...args) => link.call('agents.ban', args),
      delete: (...args) => link.call('agents.delete', args),
    },
    credentials: {
      reserve: async (requests, atMs) => unpackResults(await link.call('credentials.reserve', [packRequests(requests), atMs])),
      release: (serials, atMs) => link.call('credentials.release', [packSerials(serials), atMs]),
      abandonUnreleased: (...args) => link.call('credentials.abandonUnreleased', args),
      bySerial: (...args) => link.call('credentials.bySerial', args),
      bySerials: (...args) => link.call('credentials.bySerials', args),
      list: (...args) => link.call('credentials.list', args),
      count: (...args) => link.call('credentials.count', args),
      supersede: (...args) => link.call('credentials.supersede', args),
      endByAgent: (...args) => link.call('credentials.endByAgent', args),
      prune: (...args) => link.call('credentials.prune', args),
      recordUses: (...args) => link.call('credentials.recordUses', args),
      uses: (...args) => link.call('credentials.uses', args),
      prunedBefore: () => link.call('credentials.prunedBefore', []),
    },
    authorities: {
      all: () => link.call('authorities.all', []),
      bundleSequence: () => link.call('authorities.bundleSequence', []),
      prepare: (...args) => link.call('authorities.prepare', args),
      activate: (...args) => link.call('authorities.activate', args),
      taint: (...args) => link.call('authorities.taint', args),
      revoke: (...args) => link.call('authorities.revoke', args),
      remove: (...args) => link.call('authorities.remove', args),
    },
    bundles: {
      create: (...args) => link.call('bundles.create', args),
      update: (...args) => link.call('bundles.update', args),
      set: (...args) => link.call('bundles.set', args),
      delete: (...args) => link.call('bundles.delete', args),
      list: (...args) => link.call('bundles.list', args),
    },
    targets: {
      revoke: (...args) => link.call('targets.revoke', args),
      endKey: (...args) => link.call('targets.endKey', args),
      closePrefix: (...args) => link.call('targets.closePrefix', args),
      continueEnd: (...args) => link.call('targets.continueEnd', args),
      continueRotation: (...args) => link.call('targets.continueRotation', args),
      unfinished: () => link.call('targets.unfinished', []),
      disable: (...args) => link.call('targets.disable', args),
      enable: (...args) => link.call('targets.enable', args),
      disabled: () => link.call('targets.disabled', []),
    },
    verifiers: {
      register: (...args) => link.call('verifiers.register', args),
      remove: (...args) => link.call('verifiers.remove', args),
      all: () => link.call('verifiers.all', []),
    },
    stream: {
      head: () => link.call('stream.head', []),
      eventsAfter: (...args) => link.call('stream.eventsAfter', args),
      load: (...args) => link.call('stream.load', args),
      prune: (...args) => link.call('stream.prune', args),
    },
    journal: {
      onCommit: (listener) => link.onCommit(listener),
      onRefused: (listener) => link.onRefused(listener),
      head: () => link.call('journal.head', []),
      from: (...args) => link.call('journal.from', args),
      verify: () => link.call('journal.verify', []),
      probe: () => link.call('journal.probe', []),
      waiting: () => link.waiting,
      figures: () => link.call('journal.figures', []),
    },
    recovery: {
      rolledBack: () => link.call('recovery.rolledBack', []),
      noteRolledBack: (...args) => link.call('recovery.noteRolledBack', args),
      restore: (...args) => link.call('recovery.restore', args),
      copyTo: (...args) => link.call('recovery.copyTo', args),
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
