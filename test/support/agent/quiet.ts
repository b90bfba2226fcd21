import { createHash } from 'node:crypto'
import type { LogFact, Logger } from '../../../src/ports/logger.ts'
import type { Random } from '../../../src/ports/random.ts'

/** Keeps what was logged. */
export class KeptLog implements Logger {
  readonly facts: LogFact[] = []

  debug(fact: LogFact): void {
    this.facts.push(fact)
  }

  info(fact: LogFact): void {
    this.facts.push(fact)
  }

  warn(fact: LogFact): void {
    this.facts.push(fact)
  }

  error(fact: LogFact): void {
    this.facts.push(fact)
  }
}

/** The same bytes in every run. */
export class SeededRandom implements Random {
  #count = 0

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) out.set(createHash('sha256').update(`seed ${this.#count++}`).digest().subarray(0, Math.min(32, length - at)), at)
    return out
  }
}
