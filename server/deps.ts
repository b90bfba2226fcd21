import type { Socket } from 'node:net'
import type { LiveConfig } from '../src/config/live.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'
import type { LogLevels } from './api/logger-service.ts'
import type { Beginning, BeginningDeps } from './beginning.ts'
import type { KeyFiles } from './ca/key-store.ts'
import type { ServerConfig } from './config.ts'
import type { CrlFilesDeps } from './crl/crl-files.ts'

/** The outside world: the mains give the real one. */
export interface ServerDeps extends BeginningDeps {
  readonly random: Random
  readonly log: Logger
  readonly files: KeyFiles & CrlFilesDeps['files']
  /** Runs the commands of the configuration, and resolves with their exit code. */
  readonly runCommand: (argv: readonly string[], limitMs: number, signal: AbortSignal, input?: string) => Promise<number>
  /** Who connected to an accepted Unix socket. */
  readonly peerCredentials: (socket: Socket) => { readonly uid: number; readonly pid: number }
  readonly ownUid: number
  /** All addresses of a name. */
  readonly resolve: (hostName: string) => Promise<readonly string[]>
  readonly rssBytes: () => number
  readonly version: string
  /** Of the log, which may be set while the server runs. */
  readonly logLevels: LogLevels
  /** Sockets that a service manager handed over: `tls`, `admin`. */
  readonly inherited?: ReadonlyMap<string, number>
  /** The configuration, as it changes while the server runs; unset: it does not. */
  readonly live?: LiveConfig<ServerConfig>
  /** Of the token of the keys, when it came with the environment. */
  readonly tokenPin?: string | undefined
  /** What was begun for this server already. */
  readonly begun?: Beginning
}
