import type { ProbeResult } from '../../proto/generated/mayfly/v1/ProbeResult.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { Notifier } from '../notifier.ts'
import { abortable } from '../abortable.ts'
import type { ProbeSenses } from './ports.ts'

/** A fact about the machine that grant roles may demand, as `agent.yaml` states it. */
export type Probe =
  /** Without `sha256`: the file as it was when it was first looked at. */
  | { readonly kind: 'file'; readonly name: string; readonly path: string; readonly sha256: string | undefined }
  /** Holds when it ends with 0. */
  | { readonly kind: 'command'; readonly name: string; readonly argv: readonly string[]; readonly limitMs: number }
  | { readonly kind: 'kernel'; readonly name: string; readonly key: string; readonly value: string }

export interface ProbesDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly senses: ProbeSenses
  /** Whether any grant lives that a change could end. */
  wanted(): boolean
}

const everyMs = 60_000
const lookMs = 1_000
/** What is asked for by many at once is looked at once. */
const sharedMs = 500

/** Looks at the machine when a grant is activated or renewed, and each minute while one lives. */
export class Probes implements AsyncDisposable {
  readonly #probes: readonly Probe[]
  readonly #deps: ProbesDeps
  readonly #stop = new AbortController()
  readonly #first = new Map<string, string>()
  readonly #running: Promise<void>
  #latest: readonly ProbeResult[] = []
  #latestAtBootMs = Number.NEGATIVE_INFINITY
  #looking: Promise<readonly ProbeResult[]> | undefined
  /** A probe holds no more, holds again, or has another value. */
  readonly changed: Notifier<readonly ProbeResult[]> = new Notifier()

  private constructor(probes: readonly Probe[], deps: ProbesDeps) {
    this.#probes = probes
    this.#deps = deps
    this.#running = probes.length === 0 ? Promise.resolve() : this.#watch()
  }

  static start(probes: readonly Probe[], deps: ProbesDeps): Probes {
    return new Probes(probes, deps)
  }

  /** As of the last look; empty before the first. */
  get latest(): readonly ProbeResult[] {
    return this.#latest
  }

  /** How the machine is now. Never rejects but for the agent's own end. */
  async look(): Promise<readonly ProbeResult[]> {
    if (this.#probes.length === 0) return []
    if (this.#deps.clock.bootMs() - this.#latestAtBootMs < sharedMs) return this.#latest
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    return await abortable(this.#looking, this.#stop.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#running
  }

  async #watch(): Promise<void> {
    const { clock, wanted } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal).catch(() => undefined) // only aborts
      if (signal.aborted || !wanted() || clock.bootMs() - this.#latestAtBootMs < everyMs) continue
      await this.look().catch(() => undefined) // only aborts
    }
  }

  async #look(): Promise<readonly ProbeResult[]> {
    const before = marksOf(this.#latest)
    const results = await Promise.all(this.#probes.map(async (probe) => await this.#result(probe)))
    const isFirst = this.#latest.length === 0
    this.#latest = results
    this.#latestAtBootMs = this.#deps.clock.bootMs()
    if (!isFirst && marksOf(results) !== before) {
      for (const { name, ok, value } of results) this.#deps.log.info({ event: 'probe.looked', probe: name, ok, value }, 'the posture of this machine is another')
      this.changed.emit(results)
    }
    return results
  }

  async #result(probe: Probe): Promise<ProbeResult> {
    try {
      const { ok, value } = await this.#sense(probe)
      return { name: probe.name, ok, value: value.slice(0, 200) }
    } catch (error) {
      this.#deps.log.warn({ event: 'probe.failed', probe: probe.name, error: String(error) }, 'a probe could not look')
      return { name: probe.name, ok: false, value: 'failed' }
    }
  }

  async #sense(probe: Probe): Promise<{ readonly ok: boolean; readonly value: string }> {
    const { senses } = this.#deps
    switch (probe.kind) {
      case 'file': {
        const digest = await senses.digest(probe.path)
        const wanted = probe.sha256 ?? this.#first.get(probe.name) ?? digest
        this.#first.set(probe.name, wanted)
        return { ok: digest === wanted, value: digest }
      }
      case 'command': {
        const code = await senses.run(probe.argv, probe.limitMs, this.#stop.signal)
        return { ok: code === 0, value: `exit ${code}` }
      }
      case 'kernel': {
        const value = await senses.kernel(probe.key)
        return { ok: value === probe.value, value }
      }
      default:
        return probe satisfies never
    }
  }
}

/** The probe that holds no more of those that are demanded, compared with how it was; `undefined` when all do. */
export function brokenProbe(demanded: readonly string[], before: readonly ProbeResult[], now: readonly ProbeResult[]): string | undefined {
  return demanded.find((name) => {
    const [was, is] = [before, now].map((results) => results.find((result) => result.name === name))
    return is?.ok !== true || (was !== undefined && was.value !== is.value)
  })
}

function marksOf(results: readonly ProbeResult[]): string {
  return JSON.stringify(results.map(({ name, ok, value }) => [name, ok, value]))
}
