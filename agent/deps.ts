import type { LiveConfig } from '../src/config/live.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'
import type { BindingTier } from './attest/binding.ts'
import type { ExitWatch, Processes } from './attest/ports.ts'
import type { AgentConfig } from './config.ts'
import type { GrantSystem } from './grants/ports.ts'
import type { StateFiles } from './sync/state-files.ts'

/** The outside world: the main gives the real one. */
export interface AgentDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Of the data folder. */
  readonly files: StateFiles
  readFile(path: string): Promise<string>
  /** `undefined` when there is no such file. @throws {MayflyError} LIMIT_EXCEEDED, INVALID_ARGUMENT */
  readBytes(path: string, maxBytes: number): Promise<Uint8Array | undefined>
  readonly processes: Processes
  readonly exitWatch: ExitWatch
  /** What this host's kernel offers. */
  readonly bindingTier: BindingTier
  readonly version: string
  /** What grants need of this host. */
  readonly grants: GrantSystem
  rssBytes(): number
  /** Sockets that a service manager handed over: `workload`, `check`, `admin`. */
  readonly inherited?: ReadonlyMap<string, number>
  /** The configuration, as it changes while the agent runs; unset: it does not. */
  readonly live?: LiveConfig<AgentConfig>
}
