import { formatDuration } from '../../core/duration.ts'
import type { MayflyError } from '../../core/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Output } from '../output.ts'
import { clockText } from '../when.ts'

/** A moment that somebody measured. */
export interface Moment {
  readonly atMs: number
  readonly what: string
  readonly detail: string
}

/** Tells what happens, step by step: text, or a JSON object a line. */
export class Story {
  readonly #output: Output
  readonly #clock: Clock
  readonly #json: boolean
  readonly #startedMs: number
  #steps = 0
  #step = ''

  constructor(output: Output, clock: Clock, json: boolean) {
    this.#output = output
    this.#clock = clock
    this.#json = json
    this.#startedMs = clock.nowMs()
  }

  opening(text: string): void {
    if (!this.#json) this.#output.line(text)
  }

  step(name: string, text: string): void {
    this.#steps += 1
    this.#step = name
    if (this.#json) this.#output.json({ step: name, text, atMs: this.#clock.nowMs() })
    else this.#output.line(`\n${this.#steps}  ${text}`)
  }

  say(text: string): void {
    if (this.#json) this.#output.json({ step: this.#step, said: text, atMs: this.#clock.nowMs() })
    else this.#output.line(`   ${text}`)
  }

  /** Moments in the order they happened, with their distance from `zeroMs`. */
  timeline(zeroMs: number, moments: readonly Moment[]): void {
    const ordered = moments.toSorted((left, right) => left.atMs - right.atMs)
    if (this.#json) {
      this.#output.json({ step: this.#step, timeline: ordered })
      return
    }
    const width = Math.max(...ordered.map(({ what }) => what.length))
    this.#output.line()
    for (const [at, { atMs, what, detail }] of ordered.entries()) {
      const rail = at === 0 ? '┬' : at === ordered.length - 1 ? '┴' : '┼'
      this.#output.line(`   ${clockText(atMs)}  ${`+${atMs - zeroMs} ms`.padStart(9)}  ${rail}─ ${what.padEnd(width)}  ${detail}`)
    }
  }

  failed(error: MayflyError): void {
    if (this.#json) this.#output.json({ step: this.#step, error: { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) } })
    else this.#output.note(`mayfly: step ${this.#steps}, ${this.#step}: ${error.message}\nhint: ${error.hint ?? 'this should not happen: please report it with this output'}`)
  }

  closing(text: string): void {
    const took = formatDuration(this.#clock.nowMs() - this.#startedMs)
    if (this.#json) this.#output.json({ step: 'end', text, tookMs: this.#clock.nowMs() - this.#startedMs })
    else this.#output.line(`\n${text} (${took})`)
  }
}
