import { MayflyError } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { BackupManifest } from '../recovery/manifest.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'

export interface BackupsServiceDeps {
  /** Makes a backup in a folder that is not there yet. @throws {MayflyError} ALREADY_EXISTS, INVALID_ARGUMENT, STORE_UNWRITABLE */
  readonly backUp: (to: string) => Promise<BackupManifest>
  readonly log: Logger
}

const keysFolder = 'keys/'

/** `mayfly.v1.Backups`: on the admin socket alone, as what is written lies on the server's machine; one at a time. */
export function backupsService({ backUp, log }: BackupsServiceDeps): Handlers<'mayfly.v1.Backups', Caller> {
  let underWay = false
  return {
    Create: async ({ to }, { peer }) => {
      if (peer.kind !== 'local') throw new MayflyError('PERMISSION_DENIED', 'a backup is asked for on the admin socket of the server')
      if (underWay) throw new MayflyError('PRECONDITION_FAILED', 'another backup is being made', { hint: 'wait for it' })
      underWay = true
      try {
        const { trustDomain, createdAtMs, epoch, streamSeq, journal, files } = await backUp(to)
        const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
        log.info({ event: 'backup.made', to, by: nameOf(peer), journalSeq: journal.seq, bytes }, 'backup made')
        return { to, trustDomain, createdAtMs, epoch, streamSeq, journalSeq: journal.seq, bytes, keys: files.filter(({ name }) => name.startsWith(keysFolder)).length }
      } finally {
        underWay = false
      }
    },
  }
}
