import { MayflyError } from '../../src/core/errors.ts'
import type { PolicyDecider } from '../../src/core/grant/policy-request.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { PolicyEngine } from '../../src/policy/engine.ts'
import { policyHash, type PolicySet } from '../../src/policy/policy-set.ts'
import { starterPolicy } from '../../src/policy/starter.ts'
import type { PolicyVersion } from '../store/grant-model.ts'
import type { PolicyStore } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'

/** The policy in force: the one last applied, or the starter policy (version 0) before any was. */
export class Policies implements Disposable {
  readonly #store: PolicyStore
  readonly #log: Logger
  readonly #listeners = new Set<(version: PolicyVersion) => void>()
  #inForce: PolicyVersion
  #engine: Promise<PolicyEngine> | undefined
  #disposed = false

  static async start(store: PolicyStore, log: Logger): Promise<Policies> {
    return new Policies(store, log, (await store.current()) ?? starterVersion)
  }

  private constructor(store: PolicyStore, log: Logger, inForce: PolicyVersion) {
    this.#store = store
    this.#log = log
    this.#inForce = inForce
  }

  get inForce(): PolicyVersion {
    return this.#inForce
  }

  /** Loaded when first asked for. @throws {MayflyError} POLICY_INVALID when the stored one no longer fits the schema: nothing is allowed then */
  async decider(): Promise<PolicyDecider & Pick<PolicyEngine, 'waivable'>> {
    if (this.#disposed) throw new MayflyError('SHUTTING_DOWN', 'the server is stopping')
    this.#engine ??= PolicyEngine.load(this.#inForce.policies)
    return await this.#engine
  }

  /** Called with each version that comes into force, after it has. */
  onApplied(listener: (version: PolicyVersion) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /**
   * Parses and checks a set, then puts it in force as one version: every decision from then on is by it.
   * @throws {MayflyError} POLICY_INVALID, PRECONDITION_FAILED (another was applied meanwhile)
   */
  async apply(set: PolicySet, reason: string, by: Actor): Promise<PolicyVersion> {
    const engine = await PolicyEngine.load(set)
    const version = await this.#store.apply({ policies: set, hash: engine.hash, reason }, this.#inForce.version, by)
    const before = this.#engine
    this.#inForce = version
    this.#engine = Promise.resolve(engine)
    dispose(before)
    this.#log.info({ event: 'policy.applied', hash: version.hash, version: version.version, policies: Object.keys(set).length, by: by.name, reason }, 'another policy is in force')
    for (const listener of this.#listeners) listener(version)
    return version
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    dispose(this.#engine)
  }
}

const starterVersion: PolicyVersion = Object.freeze({
  version: 0,
  policies: starterPolicy,
  hash: policyHash(starterPolicy),
  reason: 'the policy of a new trust domain',
  by: 'mayfly',
  atMs: 0,
})

function dispose(engine: Promise<PolicyEngine> | undefined): void {
  engine?.then((loaded) => loaded[Symbol.dispose]()).catch(() => undefined) // one that failed to load holds nothing
}
