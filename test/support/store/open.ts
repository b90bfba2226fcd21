import { mkdtemp, rm } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore, type SqliteStoreDeps } from '../../../server/store/sqlite/open.ts'
import type { Store } from '../../../server/store/port.ts'
import { nowMs, trustDomain } from './samples.ts'

enableCompileCache() // the store's worker follows: half the time of these tests

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'mf-store-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export function openAt(path: string, deps: SqliteStoreDeps = {}): Promise<Store> {
  return openSqliteStore({ path, trustDomain, nowMs }, deps)
}
