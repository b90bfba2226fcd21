import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../src/ports/clock.ts'
import { SlowPath } from '../src/x509/peculiar/slow-path.ts'
import type { KeyFiles } from './ca/key-store.ts'
import { SignerPool } from './ca/signer-pool.ts'
import type { ServerConfig } from './config.ts'
import type { Store } from './store/port.ts'
import { openSqliteStore } from './store/sqlite/open.ts'

export interface BeginningDeps {
  readonly clock: Clock
  readonly files: Pick<KeyFiles, 'privateDirectory'>
  /** Takes the store for this process. @throws STORE_LOCKED */
  readonly lock: (path: string) => Promise<AsyncDisposable>
  /** For tests that hold the store in their own hands. */
  readonly openStore?: (path: string) => Promise<Store>
}

/** Threads and processes of a server that have begun to load. Each belongs to the server that is started with them; dispose what no server was started with, or after that server. */
export interface Beginning extends AsyncDisposable {
  readonly slowPath: SlowPath
  readonly pool: SignerPool
  readonly store: Promise<Store>
}

/** Begins what loads beside the main thread, before that thread loads all the rest: a third of a start. */
export function begin(config: ServerConfig, deps: BeginningDeps): Beginning {
  const slowPath = new SlowPath(deps.clock)
  const pool = new SignerPool()
  const store = openStore(config, deps, slowPath)
  store.catch(() => undefined) // whoever starts the server hears of it; a start that fails before that has failed already
  pool.warm()
  const dispose = async (): Promise<void> => {
    await (await store.catch(() => undefined))?.[Symbol.asyncDispose]()
    await pool[Symbol.asyncDispose]()
    await slowPath[Symbol.asyncDispose]()
  }
  return { slowPath, pool, store, [Symbol.asyncDispose]: dispose }
}

async function openStore(config: ServerConfig, { clock, files, lock, openStore: open }: BeginningDeps, slowPath: SlowPath): Promise<Store> {
  await files.privateDirectory(config.dataDir)
  const path = join(config.dataDir, 'mayfly.db')
  if (!existsSync(path)) slowPath.warm() // a new trust domain wants its first authority
  return open === undefined ? await openSqliteStore({ path, trustDomain: config.trustDomain, nowMs: clock.nowMs() }, { lock }) : await open(path)
}
