import type { Selector } from '../../src/core/selector.ts'
import type { BindingTier } from './binding.ts'
import type { Executable } from './ports.ts'
import type { MissingFact } from './fact-source.ts'

/** What was found out about a process, and was true of it at one moment. */
export interface Attestation {
  readonly pid: number
  /** Start in clock ticks since boot. */
  readonly startTicks: number
  /** Effective. */
  readonly uid: number
  /** Effective. */
  readonly gid: number
  /** Supplementary. */
  readonly groups: readonly number[]
  /** Of the executable, where its path proves something (see {@link Executable}). */
  readonly path: string | undefined
  /** Of the executable, lower-case hexadecimal; `undefined` unless it was wanted and could be had. */
  readonly sha256: string | undefined
  readonly executable: Executable
  /** Path in the cgroup v2 hierarchy. A fact about the whole tree of processes only in the tier `cgroup`. */
  readonly cgroup: string | undefined
  readonly tier: BindingTier
  readonly selectors: readonly Selector[]
  /** The selectors as `type:value`, to match entries with. */
  readonly facts: ReadonlySet<string>
  /** Which selectors could not be given, and why: for `mayfly why`. */
  readonly missing: readonly MissingFact[]
}

export type Reattestation =
  /** All that was found before holds; `attestation` may hold more (a sha256 that is wanted by now). */
  | { readonly kind: 'unchanged'; readonly attestation: Attestation }
  /** The same process is no longer what it was: end its streams. */
  | { readonly kind: 'changed'; readonly what: readonly ChangedFact[]; readonly attestation: Attestation | undefined }
  /** The process that connected has exited, whoever holds the socket now. */
  | { readonly kind: 'gone' }

/** `names`: a user or group was renamed. `facts`: it is not in the container, unit, … that it was in, or that is called otherwise. `unsettled`: it changed while it was read. */
export type ChangedFact = 'uid' | 'gid' | 'groups' | 'executable' | 'path' | 'sha256' | 'cgroup' | 'tier' | 'names' | 'facts' | 'unsettled'
