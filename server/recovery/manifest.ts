import { MayflyError } from '../../src/core/errors.ts'
import { parseTrustDomain, type TrustDomain } from '../../src/core/spiffe-id.ts'

/** What a backup says of itself, in `manifest.json`, which is written last. */
export interface BackupManifest {
  readonly format: 1
  /** Of the mayfly that made it. */
  readonly version: string
  readonly trustDomain: TrustDomain
  readonly createdAtMs: number
  readonly epoch: number
  readonly streamSeq: number
  readonly journal: { readonly seq: number; readonly hash: string }
  /** By path within the backup. */
  readonly files: readonly BackupFile[]
}

export interface BackupFile {
  readonly name: string
  readonly bytes: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

export const databaseName = 'mayfly.db'
export const manifestName = 'manifest.json'
/** The database, and keys of authorities: nothing else is read from a backup or written by a restore. */
const fileName = /^(?:mayfly\.db|keys\/[a-z0-9-]{1,100}\.key\.pem)$/
const hash = /^[0-9a-f]{64}$/

export function encodeManifest(manifest: BackupManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/** @throws {MayflyError} BACKUP_INVALID */
export function parseManifest(text: string): BackupManifest {
  try {
    return checked(JSON.parse(text))
  } catch (error) {
    if (error instanceof MayflyError && error.code === 'BACKUP_INVALID') throw error
    throw invalid('its manifest cannot be read', error)
  }
}

export function invalid(what: string, cause?: unknown): MayflyError {
  return new MayflyError('BACKUP_INVALID', `this is no whole backup: ${what}`, { hint: 'nothing was restored; take another backup', ...(cause === undefined ? {} : { cause }) })
}

function checked(value: unknown): BackupManifest {
  const { format, version, trustDomain, createdAtMs, epoch, streamSeq, journal, files } = fieldsOf(value)
  if (format !== 1) throw invalid('it is of a later format')
  const { seq, hash: journalHash } = fieldsOf(journal)
  if (typeof version !== 'string' || typeof trustDomain !== 'string' || typeof journalHash !== 'string' || !hash.test(journalHash) || !Array.isArray(files)) throw invalid('a field of its manifest is not what it should be')
  const manifest = { format: 1 as const, version, trustDomain: parseTrustDomain(trustDomain), createdAtMs: count(createdAtMs), epoch: count(epoch), streamSeq: count(streamSeq), journal: { seq: count(seq), hash: journalHash }, files: files.map(fileOf) }
  if (!manifest.files.some(({ name }) => name === databaseName) || new Set(manifest.files.map(({ name }) => name)).size !== files.length) throw invalid('its manifest does not name each file once')
  return manifest
}

function fileOf(value: unknown): BackupFile {
  const { name, bytes, sha256 } = fieldsOf(value)
  if (typeof name !== 'string' || !fileName.test(name) || typeof sha256 !== 'string' || !hash.test(sha256)) throw invalid('its manifest names a file that is none of a backup')
  return { name, bytes: count(bytes), sha256 }
}

function count(value: unknown): number {
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw invalid('a number of its manifest is none')
  return Number(value)
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw invalid('its manifest is not an object')
  return value as Readonly<Record<string, unknown>> // each field is looked at by the caller
}
