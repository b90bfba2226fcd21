import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { KeyType } from '../../src/core/key-type.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { authorityIdOf } from '../../src/x509/fingerprint.ts'
import { certifyAuthority, voucherFor, type CertifiedAuthority, type CertifyAuthorityDeps } from '../ca/certify-authority.ts'
import type { KeyStore } from '../ca/key-store.ts'
import type { UpstreamSource } from '../ca/upstream/upstream.ts'
import { chainOf } from '../ca/known-authorities.ts'
import { loadProfiles } from '../ca/profiles.ts'
import { haveRootInCommon } from '../ca/vouchers.ts'
import type { Authority, Restored, Store } from '../store/port.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { copyFile, describeFile, exists, fileError, syncFolder } from './files.ts'
import { databaseName, invalid, manifestName, parseManifest, type BackupManifest } from './manifest.ts'

export interface RestoreOptions {
  readonly dataDir: string
  /** The folder of a backup; unset: the database that is there is begun anew. */
  readonly from: string | undefined
  readonly trustDomain: TrustDomain | undefined
  readonly authorityTtlMs: number
  readonly keyType: KeyType
  readonly agentsReturn: boolean
  readonly reason: string
  /** For the record. */
  readonly by: string
}

export interface RestoreDeps {
  readonly clock: Clock
  readonly random: Random
  readonly slowPath: CertifyAuthorityDeps['slowPath']
  readonly keys: KeyStore
  /** What signs the authorities; unset: each signs itself. */
  readonly upstream?: UpstreamSource | undefined
}

export interface RestoreReport extends Omit<Restored, 'endedAuthorities'> {
  readonly trustDomain: TrustDomain
  readonly authorityId: string
  readonly authoritiesEnded: number
  /** How many authorities vouch for the new one, a root above it that is known already among them: without one, agents cannot verify the server and join anew. */
  readonly vouchers: number
  /** Of the backup; unset in place. */
  readonly takenAtMs?: number
}

/** Chains have at most eight certificates, and those of a later rotation come to these. */
const mostVouchers = 3
const restoringName = `${databaseName}.restoring`

/**
 * Begins a new epoch from a backup, or from the database that is there. The caller holds the lock of the data folder. Killed at any point, the folder holds no database yet or the
 * whole new one, and the same call does it again. @throws {MayflyError} ALREADY_EXISTS, NOT_FOUND, BACKUP_INVALID, STORE_CORRUPT, STORE_UNWRITABLE, CONFIG_INVALID, LIMIT_EXCEEDED
 */
export async function restore(options: RestoreOptions, deps: RestoreDeps): Promise<RestoreReport> {
  const { dataDir, from } = options
  const path = join(dataDir, databaseName)
  const isThere = await exists(path)
  if (from === undefined) {
    if (!isThere) throw new MayflyError('NOT_FOUND', `there is no database in ${dataDir}`, { hint: 'name a backup: --from FOLDER' })
    return await renew(path, undefined, options, deps, async () => undefined)
  }
  if (isThere) throw new MayflyError('ALREADY_EXISTS', `${path} is there already`, { hint: 'move it away, or begin a new epoch from it: --in-place' })
  const manifest = await readBackup(from)
  const restoring = join(dataDir, restoringName)
  try {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${restoring}${suffix}`, { force: true }) // of a restore that was killed
    await copyFile(join(from, databaseName), restoring)
    await takeKeys(from, dataDir, manifest)
    return await renew(restoring, manifest, options, deps, async () => {
      await rename(restoring, path)
      await syncFolder(dataDir)
    })
  } catch (error) {
    throw fileError(error, `nothing was restored into ${dataDir}`)
  }
}

/** A backup that is whole: every file has the size and hash that the manifest says. @throws {MayflyError} BACKUP_INVALID */
async function readBackup(from: string): Promise<BackupManifest> {
  let text: string
  try {
    text = await readFile(join(from, manifestName), 'utf8')
  } catch (error) {
    throw invalid(`there is no ${manifestName} in ${from}`, error)
  }
  const manifest = parseManifest(text)
  for (const file of manifest.files) {
    let found: { readonly bytes: number; readonly sha256: string }
    try {
      found = await describeFile(join(from, file.name), file.name)
    } catch (error) {
      throw invalid(`${file.name} is missing`, error)
    }
    if (found.bytes !== file.bytes || found.sha256 !== file.sha256) throw invalid(`${file.name} is not what its manifest says`)
  }
  return manifest
}

async function takeKeys(from: string, dataDir: string, { files }: BackupManifest): Promise<void> {
  await mkdir(join(dataDir, 'keys'), { recursive: true, mode: 0o700 })
  for (const { name } of files) {
    if (name === databaseName) continue
    await rm(join(dataDir, name), { force: true })
    await copyFile(join(from, name), join(dataDir, name))
  }
}

async function renew(path: string, manifest: BackupManifest | undefined, options: RestoreOptions, deps: RestoreDeps, inPlace: () => Promise<void>): Promise<RestoreReport> {
  const { clock, random, keys } = deps
  const { by, agentsReturn, reason } = options
  const profiles = loadProfiles()
  const store = await openSqliteStore({ path, trustDomain: options.trustDomain ?? manifest?.trustDomain, nowMs: clock.nowMs() })
  let done: RestoreReport
  let ended: Restored['endedAuthorities']
  {
    await using _ = store
    await verify(store, manifest)
    const { trustDomain } = store.domain
    const certifying = { ...deps, trustDomain, profiles }
    const keyName = `authority-${toHex(random.bytes(8))}`
    const key = await keys.create(keyName, options.keyType)
    const preparedAtMs = clock.nowMs()
    const certified = await certifyAuthority(key, preparedAtMs, options.authorityTtlMs, await deps.upstream?.current(), certifying)
    const all = await store.authorities.all()
    const vouchers = await vouch(key.spki, certified, all, certifying, deps)
    const isRootKnown = all.some((authority) => authority.state !== 'revoked' && haveRootInCommon(authority, certified))
    const id = authorityIdOf(key.spki)
    const leavesEndByMs = preparedAtMs + Math.max(...Object.values(profiles.svids).map(({ maxTtlMs }) => maxTtlMs))
    const { endedAuthorities, ...restored } = await store.recovery.restore({ authority: { id, keyName, ...certified, preparedAtMs, vouchers }, leavesEndByMs, agentsReturn, reason }, { name: by, atMs: clock.nowMs() })
    ended = endedAuthorities
    done = { ...restored, trustDomain, authorityId: id, authoritiesEnded: endedAuthorities.length, vouchers: vouchers.length + (isRootKnown ? 1 : 0), ...(manifest === undefined ? {} : { takenAtMs: manifest.createdAtMs }) }
  }
  await inPlace()
  for (const { keyName } of ended) await keys.remove(keyName) // whoever is killed before this: the server does it at its start
  return done
}

async function verify(store: Store, manifest: BackupManifest | undefined): Promise<void> {
  await store.journal.verify()
  if (manifest === undefined) return
  const head = await store.journal.head()
  if (head.seq !== manifest.journal.seq || toHex(head.hash) !== manifest.journal.hash) throw invalid('its journal does not end where its manifest says')
}

/** By the newest of those that are ended and whose keys are here; then what was said for the last of them by those before it, whose keys are gone since an earlier restore. */
async function vouch(spki: Uint8Array, certified: CertifiedAuthority, all: readonly Authority[], certifying: CertifyAuthorityDeps, { clock, keys }: RestoreDeps): Promise<readonly Uint8Array[]> {
  const nowMs = clock.nowMs()
  const vouchers: Uint8Array[] = []
  for (const authority of all.toReversed()) {
    const { keyName, state, certificate, notAfterMs: endsMs } = authority
    if (state === 'revoked' || state === 'prepared' || endsMs <= nowMs || vouchers.length >= mostVouchers || haveRootInCommon(authority, certified)) continue
    const key = await keys.load(keyName)
    if (key !== undefined) vouchers.push(await voucherFor(spki, certified.notAfterMs, { certificate: parseCertificate(certificate), key }, nowMs, certifying), ...chainOf(authority))
  }
  return [...vouchers, ...(all.find(({ state }) => state === 'active')?.vouchers ?? [])].slice(0, mostVouchers)
}

