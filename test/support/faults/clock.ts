import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Surroundings } from '../product/product.ts'

/** The wall clock of one program of the product, which a test sets. */
export class TestClock {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    this.set(0)
  }

  /** @param offsetMs ahead of the right time */
  set(offsetMs: number): void {
    writeFileSync(this.#file, String(offsetMs))
  }

  /** For the program. */
  get surroundings(): Surroundings {
    return { env: { NODE_OPTIONS: `--import=${join(import.meta.dirname, 'clock-offset.mjs')}`, MAYFLY_TEST_CLOCK: this.#file } }
  }
}
