import { MayflyError } from '../core/errors.ts'
import type { Catalogue, MetricSpec } from './catalogue.ts'
import { exposition } from './exposition.ts'
import type { Series } from './exposition.ts'

/** Values of a metric's labels, in the order of its catalogue. */
export type LabelValues = readonly string[]

/** Most series of one metric: whatever more comes is left out, so that no caller fills the memory by what it names itself. */
const maxSeries = 2_000

/** The figures of one process, each of its catalogue. */
export class Meter {
  readonly #catalogue: Catalogue
  readonly #series = new Map<string, Map<string, Series>>()
  readonly #collectors: (() => void | Promise<void>)[] = []

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  /** Adds to a counter. */
  count(name: string, labels: LabelValues = [], by = 1): void {
    const series = this.#at(name, labels)
    if (series !== undefined) series.value += by
  }

  /** Sets a gauge, or a counter that is counted elsewhere. */
  set(name: string, value: number, labels: LabelValues = []): void {
    const series = this.#at(name, labels)
    if (series !== undefined) series.value = value
  }

  /** One value of a histogram. */
  observe(name: string, value: number, labels: LabelValues = []): void {
    const series = this.#at(name, labels)
    if (series === undefined) return
    series.value += value
    series.count += 1
    const at = (this.#spec(name).buckets ?? []).findIndex((bound) => value <= bound)
    if (at >= 0) series.buckets[at] = (series.buckets[at] ?? 0) + 1
  }

  /** Forgets the series of a gauge whose labels come and go. */
  clear(name: string): void {
    this.#series.delete(name)
  }

  /** Asked before each scrape for what is only looked at then. */
  onScrape(collector: () => void | Promise<void>): void {
    this.#collectors.push(collector)
  }

  /** The text format 0.0.4 of Prometheus. A collector that fails leaves its figures as they were. */
  async text(): Promise<string> {
    await Promise.allSettled(this.#collectors.map(async (collect) => collect()))
    return exposition(this.#catalogue, (name) => [...(this.#series.get(name)?.values() ?? [])])
  }

  #at(name: string, labels: LabelValues): Series | undefined {
    let all = this.#series.get(name)
    if (all === undefined) this.#series.set(name, (all = new Map()))
    const key = labels.join('\n')
    const known = all.get(key)
    if (known !== undefined) return known
    if (all.size >= maxSeries) return undefined
    const series = { labels, value: 0, count: 0, buckets: (this.#spec(name).buckets ?? []).map(() => 0) }
    all.set(key, series)
    return series
  }

  #spec(name: string): MetricSpec {
    const spec = this.#catalogue[name]
    if (spec === undefined) throw new MayflyError('INTERNAL', `${name} is in no catalogue`)
    return spec
  }
}
