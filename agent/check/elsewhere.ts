import type { LiveConfig } from '../../src/config/live.ts'
import type { AgentConfig } from '../config.ts'
import type { ForeignRevocations, ForeignRevocationsDeps } from './foreign-revocations.ts'

/** {@link ForeignRevocations} as the configuration says now. Most agents are told of nobody, and load nothing for it. */
export class CheckElsewhere implements AsyncDisposable {
  readonly #deps: ForeignRevocationsDeps
  #current: ForeignRevocations | undefined
  #changing: Promise<void> = Promise.resolve()
  #isOver = false

  private constructor(deps: ForeignRevocationsDeps) {
    this.#deps = deps
  }

  /** @throws {MayflyError} CONFIG_INVALID when it names the agent's own trust domain, or a head that was kept is spoilt */
  static async start(live: LiveConfig<AgentConfig>, deps: ForeignRevocationsDeps): Promise<CheckElsewhere> {
    const elsewhere = new CheckElsewhere(deps)
    await elsewhere.#replace(live.current.checkElsewhere)
    live.onChange(({ checkElsewhere }) => elsewhere.#change(checkElsewhere))
    return elsewhere
  }

  /** Unset while nobody is named. */
  get current(): ForeignRevocations | undefined {
    return this.#current
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#changing
    await this.#current?.[Symbol.asyncDispose]()
  }

  #change(items: AgentConfig['checkElsewhere']): void {
    this.#changing = this.#replaceAfter(this.#changing, items)
  }

  async #replaceAfter(before: Promise<void>, items: AgentConfig['checkElsewhere']): Promise<void> {
    await before
    try {
      await this.#replace(items)
    } catch (error) {
      this.#deps.log.error({ event: 'check.elsewhere_refused', cause: String(error) }, 'who knows the revocations of other trust domains could not be taken from the configuration')
    }
  }

  async #replace(items: AgentConfig['checkElsewhere']): Promise<void> {
    if (this.#isOver || (this.#current === undefined && items.length === 0)) return
    const { ForeignRevocations: Foreign } = await import('./foreign-revocations.ts')
    this.#current ??= new Foreign(this.#deps)
    await this.#current.replace(items)
  }
}
