import { MayflyError } from '../../src/core/errors.ts'
import { containerOf } from '../../src/core/proc/container.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { canEscape, isConfined } from '../attest/binding.ts'
import { containerIn } from '../attest/container.ts'
import type { BindingTier } from '../attest/binding.ts'
import type { Caller, TierChoice } from '../attest/caller.ts'
import type { ExitWatch, Processes, ProcessReading } from '../attest/ports.ts'
import { descends } from './lineage.ts'
import type { ProcessName } from './lineage.ts'
import type { Cgroups } from './ports.ts'

/** What a grant lives with: one process, all that is in its cgroup, or the container that it runs in. */
export type BindingKind = 'process' | 'cgroup' | 'container'

/** Why what a grant lived with is over. */
export interface BindingEnd {
  readonly cause: 'process_exit' | 'container_restart'
  readonly detail: string
  /** What it turns out to have been, within a moment, where that cannot be told yet. It is over in any case. */
  readonly settled?: Promise<BindingEnd>
}

export interface BindingDeps {
  readonly clock: Clock
  readonly processes: Processes
  readonly exitWatch: ExitWatch
  /** `undefined` where none can be made. */
  readonly cgroups: Cgroups | undefined
  readonly tier: TierChoice
}

/** For processes without a pidfd. */
const pollMs = 250
/** The processes of a container that is stopped are not all gone at the same time. */
const settleMs = 200
const settleLookMs = 10

/**
 * What a grant is bound to, and who belongs to it. In the tier `cgroup` that is whoever runs in a cgroup which root made for this grant alone, and which nobody
 * but root enters or leaves; below it, the bound process and those that descend from it at the moment they are looked at. Dispose it when the grant is over.
 */
export class Binding implements Disposable {
  readonly kind: BindingKind
  readonly tier: BindingTier
  readonly subject: Caller
  readonly #deps: BindingDeps
  /** Of the bound process when it was bound; in the tier `cgroup`, the one whose processes belong. */
  readonly #cgroup: string | undefined
  /** The agent made that cgroup. */
  readonly #isOwn: boolean
  readonly #onEnd: (end: BindingEnd) => void
  readonly #stop = new AbortController()
  readonly #watches: Disposable[] = []
  #end: BindingEnd | undefined
  #released: Promise<void> = Promise.resolve()

  private constructor(subject: Caller, kind: BindingKind, tier: BindingTier, cgroup: string | undefined, isOwn: boolean, deps: BindingDeps, onEnd: (end: BindingEnd) => void) {
    this.subject = subject
    this.kind = kind
    this.tier = tier
    this.#cgroup = cgroup
    this.#isOwn = isOwn
    this.#deps = deps
    this.#onEnd = onEnd
  }

  /**
   * Binds in the strongest tier that there is (or that is forced) and begins to watch. Takes `subject` over.
   * @param onEnd told once, when what it was bound to is over; never from inside this call
   * @throws {MayflyError} BINDING_TOO_WEAK the kind wants a cgroup that cannot be had; PROCESS_GONE
   */
  static of(subject: Caller, kind: BindingKind, grantId: string, deps: BindingDeps, onEnd: (end: BindingEnd) => void): Binding {
    try {
      const { tier, cgroup, isOwn } = tieOf(subject, kind, grantId, deps)
      const binding = new Binding(subject, kind, tier, cgroup, isOwn, deps, onEnd)
      binding.#watch()
      return binding
    } catch (error) {
      subject[Symbol.dispose]()
      throw error
    }
  }

  /** Set once what it was bound to is over. */
  get end(): BindingEnd | undefined {
    return this.#end
  }

  /** Reads the facts about the bound process again; says, and tells, when they no longer hold. */
  holds(): boolean {
    if (this.#end !== undefined) return false
    const cgroup = this.#deps.processes.cgroupOf(this.subject.pid)
    if (!this.subject.alive()) {
      if (this.kind === 'cgroup' && this.#isInhabited()) return true
      this.#over(this.#exitOf())
      return false
    }
    if (isBelow(cgroup, this.#cgroup)) return true
    this.#over({ cause: 'container_restart', detail: `process ${this.subject.pid} is in another cgroup than when it was bound` })
    return false
  }

  /** Whether a process belongs to it at this moment. */
  has(process: ProcessName & { alive(): boolean }): boolean {
    if (!this.holds()) return false
    if (process.pid === this.subject.pid && process.startTicks === this.subject.startTicks) return process.alive()
    if (this.tier !== 'cgroup') return descends(process, this.subject, this.#deps.processes) && process.alive()
    return isBelow(this.#deps.processes.cgroupOf(process.pid), this.#cgroup) && this.#deps.processes.startTicks(process.pid) === process.startTicks && process.alive()
  }

  /** Whether it is worth asking {@link Binding.has} about a process in this cgroup, of those pids and above: thousands are asked this at once, and nothing is read for it. */
  mayHave({ cgroup, pids }: { readonly cgroup: string | undefined; readonly pids: ReadonlySet<number> }): boolean {
    return this.tier === 'cgroup' ? isBelow(cgroup, this.#cgroup) : pids.has(this.subject.pid)
  }

  /** The same end with what it turns out to be: a container that is stopped loses its calls first, then its processes, one after the other. */
  settling(end: BindingEnd): BindingEnd {
    return this.kind === 'container' ? { ...end, settled: this.#settled(end) } : end
  }

  /** Resolves, after it was disposed, once nothing of it is left. */
  get released(): Promise<void> {
    return this.#released
  }

  [Symbol.dispose](): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    for (const watch of this.#watches) watch[Symbol.dispose]()
    this.subject[Symbol.dispose]()
    if (this.#isOwn && this.#cgroup !== undefined) this.#released = this.#deps.cgroups?.release(this.#cgroup) ?? this.#released
  }

  #watch(): void {
    const { exitWatch, cgroups } = this.#deps
    const { handle } = this.subject
    if (handle === undefined) void this.#poll()
    else this.#watches.push(exitWatch.watch(handle, () => void this.holds()))
    if (this.kind !== 'process' && this.#cgroup !== undefined && cgroups !== undefined) {
      this.#watches.push(cgroups.watch(this.#cgroup, () => {
        if (!this.#isInhabited()) this.#over(this.#exitOf())
      }))
    }
  }

  async #poll(): Promise<void> {
    while (this.#end === undefined && !this.#stop.signal.aborted) {
      await this.#deps.clock.sleep(pollMs, this.#stop.signal).catch(() => undefined) // only aborts
      if (!this.#stop.signal.aborted) this.holds()
    }
  }

  #isInhabited(): boolean {
    return this.#cgroup !== undefined && this.#deps.cgroups?.populated(this.#cgroup) === true
  }

  /** A container whose processes are all gone was stopped; one that lives on has lost the bound process only. */
  #exitOf(): BindingEnd {
    if (this.kind === 'container' && !this.#isInhabited()) return this.#containerEnd()
    if (this.kind === 'cgroup') return { cause: 'process_exit', detail: 'the last process of the cgroup has exited' }
    return this.settling({ cause: 'process_exit', detail: `process ${this.subject.pid} has exited` })
  }

  async #settled(exit: BindingEnd): Promise<BindingEnd> {
    const { clock } = this.#deps
    const { signal } = new AbortController()
    for (const untilMs = clock.bootMs() + settleMs; clock.bootMs() < untilMs; await clock.sleep(settleLookMs, signal)) if (!this.#isInhabited()) return this.#containerEnd()
    return exit
  }

  #containerEnd(): BindingEnd {
    return { cause: 'container_restart', detail: `${this.#containerName()} has ended` }
  }

  /** As its runtime calls it, where that is known. */
  #containerName(): string {
    const finding = this.#cgroup === undefined ? undefined : containerOf(this.#cgroup)
    return finding?.kind === 'container' ? `container ${finding.container.id.slice(0, 12)}` : 'the container'
  }

  #over(end: BindingEnd): void {
    if (this.#end !== undefined || this.#stop.signal.aborted) return
    this.#end = end
    this.#onEnd(end)
  }
}

interface Tie {
  readonly tier: BindingTier
  readonly cgroup: string | undefined
  readonly isOwn: boolean
}

/** @throws {MayflyError} BINDING_TOO_WEAK, PROCESS_GONE */
function tieOf(subject: Caller, kind: BindingKind, grantId: string, { processes, cgroups, tier: choice }: BindingDeps): Tie {
  const before = readingOf(subject, processes)
  const mayConfine = (choice === 'auto' || choice === 'cgroup') && subject.tier === 'pidfd'
  if (kind === 'container') {
    const seen = containerIn(before, processes)
    if (seen.kind === 'unclear') throw tooWeak(`which container process ${subject.pid} is in cannot be told: ${seen.why}`)
    // The container's own cgroup, not the one below it that an init system in the container put the process in.
    if (mayConfine && isConfinedNow(before, processes)) return { tier: 'cgroup', cgroup: seen.kind === 'container' ? seen.container.cgroup : before.cgroup, isOwn: false }
    throw tooWeak(`process ${subject.pid} is in no container that it could not leave`)
  }
  if (mayConfine && cgroups !== undefined && !canEscape(before)) {
    const path = cgroups.confine(subject.pid, `mayfly-${grantId}`)
    if (path !== undefined) {
      if (isConfinedNow(readingOf(subject, processes), processes)) return { tier: 'cgroup', cgroup: path, isOwn: true }
      void cgroups.release(path)
    }
  }
  if (kind === 'cgroup' || choice === 'cgroup') throw tooWeak(`no cgroup can be made that process ${subject.pid} could not leave`)
  return { tier: choice === 'pid' ? 'pid' : subject.tier, cgroup: readingOf(subject, processes).cgroup, isOwn: false }
}

/** What a process of this uid and these powers would be bound in, before it is. */
export function tierFor(subject: Caller, deps: BindingDeps): BindingTier {
  const mayConfine = (deps.tier === 'auto' || deps.tier === 'cgroup') && subject.tier === 'pidfd' && deps.cgroups !== undefined
  if (mayConfine && !canEscape(readingOf(subject, deps.processes))) return 'cgroup'
  return deps.tier === 'pid' ? 'pid' : subject.tier
}

function readingOf(subject: Caller, processes: Processes): ProcessReading {
  const reading = processes.read(subject.pid)
  if (reading.kind === 'gone' || !subject.alive() || reading.process.startTicks !== subject.startTicks) {
    throw new MayflyError('PROCESS_GONE', `process ${subject.pid} has exited`)
  }
  return reading.process
}

function isConfinedNow(process: ProcessReading, processes: Processes): boolean {
  return process.cgroup !== undefined && isConfined(process, processes.cgroupOwners(process.cgroup))
}

function isBelow(path: string | undefined, above: string | undefined): boolean {
  return path === above || (path !== undefined && above !== undefined && above !== '/' && path.startsWith(`${above}/`)) || (above === '/' && path !== undefined)
}

function tooWeak(message: string): MayflyError {
  return new MayflyError('BINDING_TOO_WEAK', message, { hint: 'cgroup needs an agent that runs as root, cgroups of version 2, and a task that does not run as root' })
}
