import { MayflyError } from '../core/errors.ts'
import type { Logger } from '../ports/logger.ts'
import type { Reloadable, Reloaded } from './live.ts'

/** Reads the file again, and says in the log what came of it. @param by who asked: `uid:0`, `SIGHUP` @throws as {@link Reloadable.reload} */
export function reloadLogged(live: Reloadable, by: string, log: Logger): Reloaded {
  try {
    const reloaded = live.reload()
    log.info({ event: 'config.reloaded', by, applied: reloaded.applied, waiting: reloaded.waiting }, reloaded.waiting.length === 0 ? 'the configuration was read again' : 'the configuration was read again; some of it waits for a restart')
    return reloaded
  } catch (error) {
    log.error({ event: 'config.refused', by, code: error instanceof MayflyError ? error.code : 'INTERNAL', problems: error instanceof Error ? error.message : String(error) }, 'the configuration was read again and has problems: nothing was changed')
    throw error
  }
}
