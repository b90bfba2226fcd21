import type { Reloadable } from '../../src/config/live.ts'
import { reloadLogged } from '../../src/config/reload.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'

export interface SettingsServiceDeps {
  readonly live: Reloadable
  readonly log: Logger
  /** Looks again at files that the configuration names: the keys that name other ones now, and why any cannot be used. */
  readonly lookAtFiles: () => Promise<{ readonly changed: readonly string[]; readonly problems: readonly string[] }>
}

/** `mayfly.v1.Settings`: the configuration file, read again. */
export function settingsService({ live, log, lookAtFiles }: SettingsServiceDeps): Handlers<'mayfly.v1.Settings', Caller> {
  return {
    Reload: async (_, { peer }) => {
      const { changed, problems } = await lookAtFiles() // before the reload, which has what is new put to use
      const { applied, waiting } = reloadLogged(live, nameOf(peer), log)
      return { applied: [...applied, ...changed], waiting: [...waiting], problems: [...problems] }
    },
  }
}
