import type { Reloadable } from '../../src/config/live.ts'
import { reloadLogged } from '../../src/config/reload.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'

export interface SettingsServiceDeps {
  readonly live: Reloadable
  readonly log: Logger
}

/** `mayfly.v1.Settings`: the configuration file, read again. */
export function settingsService({ live, log }: SettingsServiceDeps): Handlers<'mayfly.v1.Settings', Caller> {
  return {
    Reload: async (_, { peer }) => {
      const { applied, waiting } = reloadLogged(live, nameOf(peer), log)
      return { applied: [...applied], waiting: [...waiting] }
    },
  }
}
