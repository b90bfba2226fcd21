import type { Grant } from '../../src/core/grant/grant.ts'
import type { StepToApprove } from '../../src/core/approval/statement.ts'

/** How a step that waited came out. */
export type StepOutcome =
  /** By as many as it needed, in their order. */
  | { readonly kind: 'approved'; readonly approvers: readonly string[] }
  | Denied
  | { readonly kind: 'lapsed' }

/** What one person says of it. */
export type StepWord = { readonly kind: 'approved'; readonly approver: string } | Denied

interface Denied {
  readonly kind: 'denied'
  readonly approver: string
  readonly reason: string
}

/** A step of a running grant that waits for people. */
export interface WaitingStep extends StepToApprove {
  readonly grant: Grant
  /** How many people have to approve it. */
  readonly needed: number
}

/** At most this many steps of one grant, and of all, wait at once. */
const maxOfOneGrant = 10
const maxOfAll = 1_000

/**
 * Steps that wait for people, in memory: the call that takes the step waits beside, and a server that stops fails it. Once approved, a step is told once, to whoever asks for
 * the very step that was approved: of the same grant, with the same action, resource and description (invariant 9).
 */
export class StepApprovals {
  readonly #waiting = new Map<string, Waiting>()

  /** What waits, oldest first. */
  all(): readonly WaitingStep[] {
    return [...this.#waiting.values()].filter(({ outcome }) => outcome === undefined).map(({ step }) => step)
  }

  byId(id: string): WaitingStep | undefined {
    const waiting = this.#waiting.get(id)
    return waiting?.outcome === undefined ? waiting?.step : undefined
  }

  /** The step of this grant that is described so and waits, or was decided and not told yet. */
  find(grantId: string, { action, resource, description }: Pick<StepToApprove, 'action' | 'resource' | 'description'>): WaitingStep | undefined {
    return [...this.#waiting.values()].map(({ step }) => step).find((step) => step.grant.id === grantId && step.action === action && step.resource === resource && step.description === description)
  }

  /** Who has approved it so far. */
  givenBy(id: string): readonly string[] {
    return this.#waiting.get(id)?.givenBy ?? []
  }

  /** Lets a step wait; `undefined` when too many do. */
  add(step: WaitingStep): WaitingStep | undefined {
    const ofOne = [...this.#waiting.values()].filter((waiting) => waiting.step.grant.id === step.grant.id).length
    if (ofOne >= maxOfOneGrant || this.#waiting.size >= maxOfAll) return undefined
    this.#waiting.set(step.id, { step, givenBy: [], listeners: new Set() })
    return step
  }

  /** Resolves with how it came out, or `undefined` when the signal aborts first; it waits on then. An outcome is told once. */
  async outcome(id: string, signal: AbortSignal): Promise<StepOutcome | undefined> {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return { kind: 'lapsed' }
    if (waiting.outcome === undefined && !signal.aborted) await decided(waiting, signal)
    if (waiting.outcome === undefined) return undefined
    const isFirst = this.#waiting.delete(id)
    return isFirst ? waiting.outcome : { kind: 'lapsed' }
  }

  /** Notes what a person says: one no is enough, and as many different people as are needed make a yes. Whether it waited. */
  say(id: string, word: StepWord): boolean {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined || waiting.outcome !== undefined) return false
    if (word.kind === 'denied') settle(waiting, word)
    else {
      if (!waiting.givenBy.includes(word.approver)) waiting.givenBy.push(word.approver)
      if (waiting.givenBy.length >= waiting.step.needed) settle(waiting, { kind: 'approved', approvers: waiting.givenBy })
    }
    return true
  }

  /** Drops what nobody decided in time, and what was decided and never asked for. */
  lapseDue(nowMs: number): void {
    for (const [id, { step }] of this.#waiting) if (step.lapsesAtMs <= nowMs) this.#drop(id)
  }

  /** The grant has ended: nothing of it waits any more. */
  dropGrant(grantId: string): void {
    for (const [id, { step }] of this.#waiting) if (step.grant.id === grantId) this.#drop(id)
  }

  #drop(id: string): void {
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined && waiting.outcome === undefined) settle(waiting, { kind: 'lapsed' })
    this.#waiting.delete(id)
  }
}

interface Waiting {
  readonly step: WaitingStep
  readonly givenBy: string[]
  readonly listeners: Set<() => void>
  outcome?: StepOutcome
}

function settle(waiting: Waiting, outcome: StepOutcome): void {
  waiting.outcome = outcome
  for (const listener of waiting.listeners) listener()
}

async function decided(waiting: Waiting, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      waiting.listeners.delete(done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    waiting.listeners.add(done)
    signal.addEventListener('abort', done, { once: true })
  })
}
