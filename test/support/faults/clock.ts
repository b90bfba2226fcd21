import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianFile } from '../interop/debian.ts'
import type { Surroundings } from '../product/product.ts'

/** The wall clock of one program of the product, which a test sets from within. */
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

const library = 'usr/lib/*/faketime/libfaketimeMT.so.1'

/** The same by libfaketime, which answers for the kernel to whatever the program is made of; its clocks since boot stay as they are. */
export class FakeTime {
  readonly #file: string
  readonly #library: string

  private constructor(file: string, from: string) {
    this.#file = file
    this.#library = from
    this.set(0)
  }

  /** @param file to keep the time in @returns why there is no such library here, in its place */
  static at(file: string): FakeTime | { readonly missing: string } {
    const fetched = debianFile('libfaketime', library)
    return 'missing' in fetched ? fetched : new FakeTime(file, fetched.path)
  }

  /** @param offsetMs ahead of the right time */
  set(offsetMs: number): void {
    writeFileSync(this.#file, `${offsetMs < 0 ? '-' : '+'}${(Math.abs(offsetMs) / 1_000).toFixed(3)}\n`)
  }

  /** For the program. */
  get surroundings(): Surroundings {
    return { env: { LD_PRELOAD: this.#library, FAKETIME_TIMESTAMP_FILE: this.#file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_RESET: '1', NO_FAKE_STAT: '1' } }
  }
}
