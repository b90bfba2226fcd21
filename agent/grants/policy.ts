import type { PolicyPush__Output } from '../../proto/generated/mayfly/v1/PolicyPush.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { PolicyDecider } from '../../src/core/grant/policy-request.ts'
import type { Logger } from '../../src/ports/logger.ts'

/** Makes a policy that can be asked; loads Cedar when it is first called. */
export type LoadPolicy = (policies: Readonly<Record<string, string>>) => Promise<PolicyDecider & Partial<Disposable>>

/** The policy in force, as last pushed. Nothing is loaded before a step is decided; a push is loaded before the next one is. */
export class PushedPolicy {
  readonly #load: LoadPolicy
  readonly #log: Logger
  #push: PolicyPush__Output | undefined
  #loaded: Promise<PolicyDecider & Partial<Disposable>> | undefined
  #ready: (PolicyDecider & Partial<Disposable>) | undefined

  constructor(load: LoadPolicy, log: Logger) {
    this.#load = load
    this.#log = log
  }

  /** Takes effect at once: a step that comes after it is decided by it or not at all. */
  replace(push: PolicyPush__Output): void {
    if (this.#push?.hash === push.hash) return
    this.#push = push
    const wasLoaded = this.#loaded !== undefined
    this.#loaded = undefined
    this.#ready?.[Symbol.dispose]?.()
    this.#ready = undefined
    if (wasLoaded) this.prepare()
  }

  /** Loads it ahead of the first step. */
  prepare(): void {
    this.current().catch((error: unknown) => this.#log.error({ event: 'policy.unloadable', error: String(error) }, 'the policy cannot be loaded: steps are refused'))
  }

  /** Already loaded, so that a step need not wait. */
  get ready(): PolicyDecider | undefined {
    return this.#ready
  }

  /** @throws {MayflyError} UNAVAILABLE none was pushed yet; POLICY_INVALID it is not what the server says it is */
  async current(): Promise<PolicyDecider> {
    const push = this.#push
    if (push === undefined) throw new MayflyError('UNAVAILABLE', 'the server has sent no policy yet')
    this.#loaded ??= this.#make(push)
    const decider = await this.#loaded
    return this.#push === push ? decider : await this.current()
  }

  async #make(push: PolicyPush__Output): Promise<PolicyDecider & Partial<Disposable>> {
    const decider = await this.#load(policiesOf(push.policies))
    if (decider.hash !== push.hash) throw new MayflyError('POLICY_INVALID', `the policy that was pushed has the hash ${decider.hash}, not ${push.hash}`)
    if (this.#push === push) this.#ready = decider
    else decider[Symbol.dispose]?.()
    return decider
  }
}

/** @throws {MayflyError} POLICY_INVALID */
function policiesOf(json: string): Readonly<Record<string, string>> {
  let found: unknown
  try {
    found = JSON.parse(json)
  } catch (error) {
    throw new MayflyError('POLICY_INVALID', 'the policy that was pushed is not JSON', { cause: error })
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) throw new MayflyError('POLICY_INVALID', 'the policy that was pushed is no object')
  const entries = Object.entries(found)
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) throw new MayflyError('POLICY_INVALID', 'the policy that was pushed has a part that is no text')
  return Object.fromEntries(entries)
}
