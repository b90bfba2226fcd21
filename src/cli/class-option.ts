import type { StalenessClass } from '../core/revocation/freshness.ts'
import { usage } from './arguments.ts'

/** How old the revocation state may be, as `--class` says; `standard` when it does not. @throws {MayflyError} USAGE */
export function classOf(command: string, text = 'standard'): StalenessClass {
  if (text === 'strict' || text === 'standard' || text === 'available') return text
  throw usage(command, 'a class is strict, standard or available')
}
