import { MayflyError } from '../../src/core/errors.ts'
import { formatSelector } from '../../src/core/selector.ts'
import { canEscape, isAtLeast, isConfined } from './binding.ts'
import type { BindingTier } from './binding.ts'
import type { Caller, TierChoice } from './caller.ts'
import type { Attestation, ChangedFact, Reattestation } from './attestation.ts'
import type { ProcessReading, Processes, Sha256 } from './ports.ts'
import { containers } from './container.ts'
import { factsOf } from './fact-source.ts'
import type { FactSource, FoundFacts } from './fact-source.ts'
import { fileOf, isAsBefore, isHashOf, isSameInode, isSameProcessState, isUntouched } from './same.ts'
import { systemd } from './systemd.ts'
import { unix } from './unix.ts'

export interface AttestorConfig {
  /** Largest executable that is hashed; 0 hashes none. */
  readonly sha256MaxBytes: number
  readonly tier: TierChoice
  /** Beside those that need nobody but the kernel. */
  readonly sources?: readonly FactSource[]
}

const maxAttempts = 3
const sha256Kind = 'unix:sha256'

/** All workload attestors side by side, and the binding of what they say to the process. One for the agent; has no state of its own. */
export class WorkloadAttestor {
  readonly #processes: Processes
  readonly #config: AttestorConfig
  readonly #sources: readonly FactSource[]

  constructor(processes: Processes, config: AttestorConfig) {
    this.#processes = processes
    this.#config = config
    this.#sources = [unix(processes), containers(processes), systemd(processes), ...(config.sources ?? [])]
  }

  /**
   * Facts that were true together, of the process that connected: read twice alike, and it ran after the last reading.
   * @param needs kinds of selectors that some entry asks for, as `kindsOf` gives them; only `unix:sha256`, and what a source has to ask for, cost more than a reading
   * @throws {MayflyError} PROCESS_GONE; FACTS_CHANGED its uid or gid is no longer that of the connection, or the facts would not
   * settle; PERMISSION_DENIED below the tier that is forced; PLATFORM_UNSUPPORTED /proc hides the process
   */
  async attest(caller: Caller, needs: ReadonlySet<string>): Promise<Attestation> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const first = this.#read(caller)
      if (first === undefined) throw gone(caller)
      const sha256 = needs.has(sha256Kind) ? await this.#hash(caller) : undefined
      const found = await factsOf(this.#sources, { process: first, sha256, needs })
      const second = this.#read(caller)
      if (second === undefined) throw gone(caller)
      if (!isSameProcessState(first, second) || !isHashOf(sha256, second.executable)) continue
      if (second.uid !== caller.uid || second.gid !== caller.gid) {
        throw new MayflyError('FACTS_CHANGED', `process ${caller.pid} changed its uid or gid after it connected`, { hint: 'connect again after dropping privileges' })
      }
      const attestation = this.#attestation(caller, second, sha256, found)
      if (this.#config.tier !== 'auto' && !isAtLeast(attestation.tier, this.#config.tier)) {
        throw new MayflyError('PERMISSION_DENIED', `binding tier ${attestation.tier} is below ${this.#config.tier}, which this agent demands`)
      }
      return attestation
    }
    throw new MayflyError('FACTS_CHANGED', `the facts about process ${caller.pid} kept changing while they were read`)
  }

  /** The facts once more, before each RPC and each push of key material. @throws {MayflyError} PLATFORM_UNSUPPORTED */
  async reattest(caller: Caller, before: Attestation, needs: ReadonlySet<string>): Promise<Reattestation> {
    const reading = this.#read(caller)
    if (reading === undefined) return { kind: 'gone' }
    let sha256: Sha256 | undefined
    const file = fileOf(reading.executable)
    if (before.sha256 !== undefined && file !== undefined && isUntouched(fileOf(before.executable), file)) {
      sha256 = { kind: 'hashed', sha256: before.sha256, file }
    } else if (before.sha256 !== undefined || needs.has(sha256Kind)) {
      sha256 = await this.#hash(caller)
      const after = this.#read(caller)
      if (after === undefined) return { kind: 'gone' }
      if (!isSameProcessState(reading, after) || !isHashOf(sha256, after.executable)) return { kind: 'changed', what: ['unsettled'], attestation: undefined }
    }
    let found = factsOf(this.#sources, { process: reading, sha256, needs })
    if (found instanceof Promise) {
      found = await found
      const after = this.#read(caller)
      if (after === undefined) return { kind: 'gone' }
      if (!isSameProcessState(reading, after)) return { kind: 'changed', what: ['unsettled'], attestation: undefined }
    }
    if (isAsBefore(before, reading, sha256, this.#tier(caller, reading), found)) return { kind: 'unchanged', attestation: before }
    const attestation = this.#attestation(caller, reading, sha256, found)
    const what = changesBetween(before, attestation, needs)
    return what.length === 0 ? { kind: 'unchanged', attestation } : { kind: 'changed', what, attestation }
  }

  /** A reading that is certainly of the caller; `undefined` when it has exited. */
  #read(caller: Caller): ProcessReading | undefined {
    const reading = this.#processes.read(caller.pid)
    if (!caller.alive()) return undefined
    if (reading.kind === 'gone') {
      if (caller.handle === undefined) return undefined
      throw new MayflyError('PLATFORM_UNSUPPORTED', `/proc does not show process ${caller.pid}, which runs`, { hint: 'mount /proc without hidepid, or run the agent as root in the pid namespace of the host' })
    }
    return reading.process.startTicks === caller.startTicks ? reading.process : undefined
  }

  async #hash(caller: Caller): Promise<Sha256> {
    return this.#processes.hashExecutable(caller.pid, this.#config.sha256MaxBytes)
  }

  #attestation(caller: Caller, process: ProcessReading, sha256: Sha256 | undefined, { selectors, missing }: FoundFacts): Attestation {
    return {
      pid: process.pid,
      startTicks: process.startTicks,
      uid: process.uid,
      gid: process.gid,
      groups: process.groups,
      path: process.executable.kind === 'file' ? process.executable.path : undefined,
      sha256: sha256?.kind === 'hashed' ? sha256.sha256 : undefined,
      executable: process.executable,
      cgroup: process.cgroup,
      tier: this.#tier(caller, process),
      selectors,
      facts: new Set(selectors.map(formatSelector)),
      missing,
    }
  }

  #tier(caller: Caller, process: ProcessReading): BindingTier {
    const mayReach = this.#config.tier === 'auto' || this.#config.tier === 'cgroup'
    if (caller.tier !== 'pidfd' || !mayReach || process.cgroup === undefined || canEscape(process)) return caller.tier
    return isConfined(process, this.#processes.cgroupOwners(process.cgroup)) ? 'cgroup' : 'pidfd'
  }
}

/** Every fact that no longer holds. A cgroup counts only where it bound, what other sources say only where an entry asks for it; a sha256 that was not known before is no change. */
function changesBetween(before: Attestation, now: Attestation, needs: ReadonlySet<string>): ChangedFact[] {
  const what: ChangedFact[] = []
  if (now.uid !== before.uid) what.push('uid')
  if (now.gid !== before.gid) what.push('gid')
  if (now.groups.length !== before.groups.length || now.groups.some((gid, at) => gid !== before.groups[at])) what.push('groups')
  if (!isSameInode(before.executable, now.executable)) what.push('executable')
  if (now.path !== before.path) what.push('path')
  if (before.sha256 !== undefined && now.sha256 !== before.sha256) what.push('sha256')
  if (before.tier === 'cgroup' && now.cgroup !== before.cgroup) what.push('cgroup')
  if (!isAtLeast(now.tier, before.tier)) what.push('tier')
  const lost = [...before.facts].filter((fact) => !now.facts.has(fact))
  if (what.length === 0 && lost.some((fact) => fact.startsWith('unix:'))) what.push('names')
  if (lost.some((fact) => !fact.startsWith('unix:') && needs.has(kindOf(fact)))) what.push('facts')
  return what
}

/** `docker:label` of `docker:label:tier:web`. */
function kindOf(fact: string): string {
  return fact.split(':', 2).join(':')
}

function gone(caller: Caller): MayflyError {
  return new MayflyError('PROCESS_GONE', `process ${caller.pid} has exited`)
}
