import type { Logger as LoggerMessage } from '../../proto/generated/spire/api/types/Logger.ts'
import type { LogLevel as WireLevel } from '../../proto/generated/spire/api/types/LogLevel.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { ServerConfig } from '../config.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'

export type LogLevel = ServerConfig['logLevel']

/** How much is logged, which may change while the server runs. */
export interface LogLevels {
  current: LogLevel
}

export interface LoggerServiceDeps {
  readonly logLevels: LogLevels
  readonly launchLevel: LogLevel
  readonly log: Logger
}

/** What SPIRE knows besides is taken for the nearest that there is. */
const levels: Readonly<Record<string, LogLevel>> = { PANIC: 'error', FATAL: 'error', ERROR: 'error', WARN: 'warn', INFO: 'info', DEBUG: 'debug', TRACE: 'debug' }
const names: Readonly<Record<LogLevel, WireLevel>> = { error: 'ERROR', warn: 'WARN', info: 'INFO', debug: 'DEBUG' }

/** SPIRE's logger API. A level that is set lasts until the server ends or the configuration brings another. */
export function loggerService({ logLevels, launchLevel, log }: LoggerServiceDeps): Handlers<'spire.api.server.logger.v1.Logger', Caller> {
  const shown = (): LoggerMessage => ({ currentLevel: names[logLevels.current], launchLevel: names[launchLevel] })
  const set = (level: LogLevel, caller: Caller): LoggerMessage => {
    log.info({ event: 'log.level_set', level, before: logLevels.current, by: nameOf(caller) }, 'the level of the log was set')
    logLevels.current = level
    return shown()
  }
  return {
    GetLogger: async () => shown(),
    SetLogLevel: async ({ newLevel }, { peer }) => {
      const level = levels[newLevel]
      if (level === undefined) throw new MayflyError('INVALID_ARGUMENT', 'the new level is not specified', { hint: 'error, warn, info or debug' })
      return set(level, peer)
    },
    ResetLogLevel: async (_, { peer }) => set(launchLevel, peer),
  }
}
