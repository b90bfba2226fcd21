import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { Quota } from '../../src/rpc/quota.ts'
import type { Store } from '../store/port.ts'

const maxLength = 255
/** Of one agent: each change is a record of the journal, and a version changes when the agent is replaced. */
const terms = { perSecond: 0.1, burst: 10 }

/** Writes down which version an agent says it is, when that has changed. */
export class AgentVersions {
  readonly #agents: Pick<Store['agents'], 'byId' | 'recordVersion'>
  readonly #clock: Clock
  readonly #quota: Quota

  constructor({ store, clock }: { readonly store: { readonly agents: Pick<Store['agents'], 'byId' | 'recordVersion'> }; readonly clock: Clock }) {
    this.#agents = store.agents
    this.#clock = clock
    this.#quota = new Quota(clock, terms)
  }

  /** An empty version says nothing. @throws {MayflyError} INVALID_ARGUMENT, LIMIT_EXCEEDED */
  async record(agentId: SpiffeId, version: string): Promise<void> {
    if (version === '') return
    if (version.length > maxLength || /\p{Cc}/u.test(version)) throw new MayflyError('INVALID_ARGUMENT', `agent version is too long (max ${maxLength} characters) or has control characters`)
    const agent = await this.#agents.byId(agentId)
    if (agent === undefined || agent.version === version) return
    this.#quota.take(agentId, 1)
    await this.#agents.recordVersion(agentId, version, { name: agentId, atMs: this.#clock.nowMs() })
  }
}
