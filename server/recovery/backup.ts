import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Authority, Store } from '../store/port.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { copyFile, describeFile, exists, fileError, syncFolder } from './files.ts'
import { databaseName, encodeManifest, manifestName, type BackupFile, type BackupManifest } from './manifest.ts'

export interface BackupDeps {
  readonly store: Pick<Store, 'recovery'>
  /** Where the keys of the authorities are. */
  readonly keysFolder: string
  readonly clock: Clock
  readonly random: Random
  readonly version: string
}

/**
 * Makes a folder with the database, the keys of its authorities and a manifest, while the server runs. It appears under its name whole and on the disk, or not at all; what a killed
 * one leaves is called `<to>.partial-…`. It holds secrets: folder 0700, files 0600. @throws {MayflyError} ALREADY_EXISTS, INVALID_ARGUMENT, STORE_UNWRITABLE
 */
export async function writeBackup(to: string, deps: BackupDeps): Promise<BackupManifest> {
  if (!isAbsolute(to)) throw new MayflyError('INVALID_ARGUMENT', 'the folder of a backup is named by its whole path')
  if (await exists(to)) throw new MayflyError('ALREADY_EXISTS', `${to} is there already`, { hint: 'name a folder that is not there: nothing is overwritten' })
  const partial = `${to}.partial-${toHex(deps.random.bytes(4))}`
  try {
    await mkdir(partial, { mode: 0o700 })
    const manifest = await fill(partial, deps)
    await writeFile(join(partial, manifestName), encodeManifest(manifest), { mode: 0o600, flag: 'wx', flush: true })
    await syncFolder(partial)
    await rename(partial, to)
    await syncFolder(dirname(to))
    return manifest
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw fileError(error, `no backup was made in ${to}`)
  }
}

/** The keys after the database: a key is there before the record that names it. */
async function fill(folder: string, { store, keysFolder, clock, version }: BackupDeps): Promise<BackupManifest> {
  const database = join(folder, databaseName)
  const createdAtMs = clock.nowMs()
  await store.recovery.copyTo(database)
  const { authorities, ...facts } = await factsOf(database, createdAtMs)
  const files: BackupFile[] = [await describeFile(database, databaseName)]
  await mkdir(join(folder, 'keys'), { mode: 0o700 })
  for (const { keyName, state } of authorities) {
    const name = `keys/${keyName}.key.pem`
    const from = join(keysFolder, `${keyName}.key.pem`)
    if (state === 'revoked' || !(await exists(from))) continue
    await copyFile(from, join(folder, name))
    files.push(await describeFile(join(folder, name), name))
  }
  await syncFolder(join(folder, 'keys'))
  return { format: 1, version, createdAtMs, ...facts, files }
}

async function factsOf(path: string, nowMs: number): Promise<Pick<BackupManifest, 'trustDomain' | 'epoch' | 'streamSeq' | 'journal'> & { readonly authorities: readonly Authority[] }> {
  await using copy = await openSqliteStore({ path, trustDomain: undefined, nowMs })
  const [stream, journal, authorities] = await Promise.all([copy.stream.head(), copy.journal.head(), copy.authorities.all()])
  const { trustDomain, epoch } = copy.domain
  return { trustDomain, epoch, streamSeq: stream.seq, journal: { seq: journal.seq, hash: toHex(journal.hash) }, authorities }
}
