import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantProgress__Output } from '../../proto/generated/mayfly/v1/GrantProgress.ts'
import type { RequestGrantRequest } from '../../proto/generated/mayfly/v1/RequestGrantRequest.ts'
import { MayflyError } from '../core/errors.ts'
import { parseEndpoint } from '../core/endpoint.ts'
import { hintForDenial } from '../core/grant/denial.ts'
import { parseSpiffeId, type SpiffeId } from '../core/spiffe-id.ts'
import { RpcChannel } from '../rpc/channel.ts'
import type { ClientDeps } from './deps.ts'

/** What a task asks for: the intent is all that it may do, the budget all that it may use. */
export interface GrantWish {
  /** Of the workload, its SPIFFE ID or the path of it; its grant is `<id>/task/<grant>`. May be left out when `role` is named. */
  readonly as?: string
  readonly role?: string
  /** Names of actions, `write`; at least one. */
  readonly do: readonly string[]
  /** Resources as `db:orders`; at least one. */
  readonly on: readonly string[]
  readonly workspace?: { readonly system?: string; readonly environment?: string; readonly tenant?: string }
  readonly reason?: string
  readonly ticket?: string
  /** What will be true when it has worked; compared with what {@link TaskGrant.complete} says. */
  readonly expectedOutcome?: string
  /** Never more than the role allows; what is left out is as the role has it. */
  readonly budget?: { readonly seconds?: number; readonly renewals?: number; readonly steps?: number; readonly children?: number; readonly depth?: number }
  /** What it lives with; process when absent. */
  readonly binding?: 'process' | 'cgroup' | 'container'
}

export interface GrantRequestOptions {
  /** The agent's Workload API, or a grant's own socket to ask for a child; `SPIFFE_ENDPOINT_SOCKET` when absent. */
  readonly endpoint?: string
  /** Gives up the request, or later ends the grant as failed. */
  readonly signal?: AbortSignal
  /** Told when it waits for people: how many, and how they approve. */
  readonly onWaiting?: (waiting: { readonly grantId: string; readonly approvalsNeeded: number; readonly howToApprove: string }) => void
}

/** One action inside the grant, as it was decided. */
export interface StepDecision {
  readonly allowed: boolean
  /** Controls that denied, or permits that allowed. */
  readonly reasons: readonly string[]
  /** Of the budget. */
  readonly stepsLeft: number
  /** What can be done about a denial; empty when nothing is to be done. */
  readonly hint: string
  /** Set when a person has to approve it first: ask again, or with `waitSeconds`. */
  readonly approvalId: string
}

/**
 * Asks for a grant and binds it to this process. Resolves once it is active. @throws {MayflyError} GRANT_DENIED with the control that denied, GRANT_LAPSED, INTENT_OUTSIDE_ROLE,
 * ROLE_UNKNOWN, OWNER_MISSING, BINDING_TOO_WEAK, UNAVAILABLE, CANCELLED
 */
export async function requestGrant(wish: GrantWish, options: GrantRequestOptions, deps: ClientDeps): Promise<TaskGrant> {
  const channel = channelTo(options.endpoint, deps)
  const asking = new AbortController()
  try {
    const grant = await approved(channel, wish, options, asking)
    const bound = channel.serverStream('mayfly.v1.Grants', 'Bind', { grantId: grant.id }, { signal: asking.signal })
    for (;;) {
      const { value, done } = await bound.next()
      if (done === true || value === undefined) throw new MayflyError('GRANT_ENDED', 'the grant ended before it was active')
      if (value.grant !== null && value.socket !== '') return new TaskGrant(value.grant, value.socket, bound, channel, asking, options.signal)
    }
  } catch (error) {
    asking.abort()
    channel.close()
    throw error
  }
}

/**
 * Asks for a grant, does the work with it and ends it as the work came out: completed when it resolves, unless it said otherwise itself, failed when it throws. Resolves with what the
 * work does. @throws as {@link requestGrant}, and what the work throws
 */
export async function withGrant<T>(wish: GrantWish, options: GrantRequestOptions, work: (grant: TaskGrant) => Promise<T>, deps: ClientDeps): Promise<T> {
  const grant = await requestGrant(wish, options, deps)
  try {
    const result = await work(grant)
    await grant.complete().catch(() => undefined) // the agent ends it by itself, and the work is done
    return result
  } catch (error) {
    await grant.fail(error instanceof Error ? error.message : String(error)).catch(() => undefined) // likewise
    throw error
  }
}

/** An active grant of this process. Dispose ends it as completed: a disposal is told of no error, so what may throw says so with {@link fail} before, or is done in {@link withGrant}. */
export class TaskGrant implements AsyncDisposable {
  readonly id: string
  readonly spiffeId: SpiffeId
  /** `unix:///…`: the grant's own Workload API, for `X509Source.start({ endpoint })`. */
  readonly endpoint: string
  /** Nothing of it is valid after; ms since the epoch. */
  readonly deadlineMs: number
  readonly #channel: RpcChannel
  readonly #asking: AbortController
  readonly #over = new AbortController()
  #word: { cause: 'completed' | 'failed'; outcome: string; detail: string } = { cause: 'completed', outcome: '', detail: '' }
  #ended: Promise<void> | undefined

  /** Made by {@link requestGrant}. */
  constructor(grant: Grant__Output, socket: string, bound: AsyncGenerator<GrantProgress__Output>, channel: RpcChannel, asking: AbortController, signal: AbortSignal | undefined) {
    this.id = grant.id
    this.spiffeId = parseSpiffeId(grant.spiffeId)
    this.endpoint = `unix://${socket}`
    this.deadlineMs = grant.deadlineMs
    this.#channel = channel
    this.#asking = asking
    void this.#follow(bound)
    if (signal === undefined) return
    const abandon = (): void => void this.#abandon(String(signal.reason))
    if (signal.aborted) abandon()
    else signal.addEventListener('abort', abandon, { once: true, signal: this.#over.signal })
  }

  /** Aborts when the grant has ended, whatever ended it; the reason is a MayflyError GRANT_ENDED that says what. */
  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** Asks whether one action may be taken now, and records it. A denial is an answer, not an error. @throws {MayflyError} GRANT_ENDED, UNAVAILABLE */
  async step(action: string, resource: string, options: { readonly description?: string; readonly waitSeconds?: number } = {}): Promise<StepDecision> {
    this.#over.signal.throwIfAborted()
    const { description = '', waitSeconds = 0 } = options
    const step = { grantId: this.id, action, resource, description, waitSeconds }
    const answer = await this.#whileItRuns(this.#channel.unary('mayfly.v1.Grants', 'Step', step, { signal: this.#over.signal, timeoutMs: (waitSeconds + 15) * 1_000 }))
    const { allowed, reasons, stepsLeft, hint, approvalId } = answer
    return { allowed, reasons, stepsLeft, hint, approvalId }
  }

  /** Says that the task goes on, where its role demands a sign of progress. @throws {MayflyError} GRANT_ENDED, UNAVAILABLE */
  async heartbeat(): Promise<void> {
    await this.#whileItRuns(this.#channel.unary('mayfly.v1.Grants', 'Heartbeat', { grantId: this.id }, { signal: this.#over.signal }))
  }

  /** Another SVID now, within the budget of renewals; the agent does so by itself in time. @throws {MayflyError} GRANT_DENIED, BUDGET_SPENT, GRANT_ENDED */
  async renew(): Promise<void> {
    await this.#whileItRuns(this.#channel.unary('mayfly.v1.Grants', 'Renew', { grantId: this.id }, { signal: this.#over.signal }))
  }

  /** Ends it as completed; the outcome is held against what was expected. Once: what is said later changes nothing. @throws {MayflyError} UNAVAILABLE: the agent ends it by itself then */
  async complete(outcome = ''): Promise<void> {
    this.#word = { cause: 'completed', outcome, detail: '' }
    await this[Symbol.asyncDispose]()
  }

  /** Ends it as failed; of the detail 200 characters are kept. @throws as {@link complete} */
  async fail(detail: string, outcome = ''): Promise<void> {
    this.#word = { cause: 'failed', outcome, detail: detail.slice(0, 200) }
    await this[Symbol.asyncDispose]()
  }

  /** Ends it, once: when this resolves nothing accepts its identity any more than the agent can help. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended ??= this.#end()
    await this.#ended
  }

  /** A call that finds that it has ended says so before the stream that it is followed on: the signal has aborted by the time the call rejects. */
  async #whileItRuns<T>(call: Promise<T>): Promise<T> {
    try {
      return await call
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'GRANT_ENDED') this.#over.abort(error)
      this.#over.signal.throwIfAborted()
      throw error
    }
  }

  async #abandon(detail: string): Promise<void> {
    await this.fail(detail).catch(() => undefined) // the agent ends it when the call that vouches for it is over
  }

  async #end(): Promise<void> {
    try {
      if (!this.#over.signal.aborted) await this.#channel.unary('mayfly.v1.Grants', 'End', { grantId: this.id, ...this.#word }, {})
    } finally {
      this.#endHere(this.#word.cause)
      this.#asking.abort()
      this.#channel.close()
    }
  }

  async #follow(bound: AsyncGenerator<GrantProgress__Output>): Promise<void> {
    try {
      for await (const { grant } of bound) {
        if (grant !== null && (grant.state === 'ending' || grant.state === 'ended')) return this.#endHere(`${grant.cause}${grant.detail === '' ? '' : ` (${grant.detail})`}`)
      }
      this.#endHere('the agent says no more of it')
    } catch {
      this.#endHere('its agent is gone')
    }
  }

  #endHere(why: string): void {
    this.#over.abort(new MayflyError('GRANT_ENDED', `the grant has ended: ${why}`, { hint: 'ask for another grant' }))
  }
}

/** The request goes on until the grant is bound: ending it would withdraw it. */
async function approved(channel: RpcChannel, wish: GrantWish, { signal, onWaiting }: GrantRequestOptions, asking: AbortController): Promise<Grant__Output> {
  const call = channel.serverStream('mayfly.v1.Grants', 'Request', requestOf(wish), { signal: signal === undefined ? asking.signal : AbortSignal.any([signal, asking.signal]) })
  for (;;) {
    const { value, done } = await call.next()
    if (done === true || value === undefined || value.grant === null) throw new MayflyError('GRANT_LAPSED', 'the request came to nothing')
    const { grant, howToApprove } = value
    switch (grant.state) {
      case 'approved':
        return grant
      case 'denied': {
        const reasons = grant.decision?.reasons ?? []
        throw new MayflyError('GRANT_DENIED', `the grant was denied: ${grant.detail === '' ? reasons.join(', ') : grant.detail}`, { hint: hintForDenial(grant.id, reasons), details: { grantId: grant.id, reasons: reasons.join(',') } })
      }
      case 'lapsed':
        throw new MayflyError('GRANT_LAPSED', 'nobody approved the grant in time', { details: { grantId: grant.id } })
      case 'pending_approval':
        onWaiting?.({ grantId: grant.id, approvalsNeeded: grant.approvalsNeeded, howToApprove })
        break
      default:
        break // on its way
    }
  }
}

function requestOf({ as = '', role = '', do: actions, on: resources, workspace = {}, reason = '', ticket = '', expectedOutcome = '', budget = {}, binding = 'process' }: GrantWish): RequestGrantRequest {
  return { spiffeId: as, role, intent: { actions: [...actions], resources: [...resources], workspace, reason, ticket, expectedOutcome }, budget, binding }
}

function channelTo(given: string | undefined, { clock, env }: ClientDeps): RpcChannel {
  const address = given ?? env['SPIFFE_ENDPOINT_SOCKET'] ?? ''
  if (address === '') throw new MayflyError('ENDPOINT_INVALID', 'no agent is named', { hint: 'set SPIFFE_ENDPOINT_SOCKET to unix:///path/of/workload.sock, or pass endpoint' })
  const endpoint = parseEndpoint(address)
  if (endpoint.kind !== 'unix') throw new MayflyError('ENDPOINT_INVALID', 'grants are asked for on a Unix socket alone', { hint: 'unix:///path/of/workload.sock' })
  return RpcChannel.connectUnix(endpoint.path, { clock })
}
