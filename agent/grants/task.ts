import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantProgress } from '../../proto/generated/mayfly/v1/GrantProgress.ts'
import type { StepTerms__Output } from '../../proto/generated/mayfly/v1/StepTerms.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { hintForDenial } from '../../src/core/grant/denial.ts'
import { Notifier } from '../notifier.ts'
import { Wake } from '../wake.ts'
import type { BindingKind } from './binding.ts'
import type { EndReport } from './end-reports.ts'
import type { HeldGrant } from './held-grant.ts'
import type { GrantListener } from './listener.ts'

/** A grant as this node knows it, from the request to the end. */
export class Task {
  /** Of the process that asked. */
  readonly instance: string
  readonly kind: BindingKind
  /** Whom it waits for may have changed, or where it stands. */
  readonly changed: Notifier<void> = new Notifier()
  /** A Bind is under way, or was. */
  bindBegun = false
  held: HeldGrant | undefined
  listener: GrantListener | undefined
  /** Why it is over on this node, once it is; the first cause stays. */
  end: EndReport | undefined
  /** Resolves with the grant as the server has it after that. */
  ended: Promise<Grant__Output> | undefined
  /** Its process is gone; whoever started it may say how that ended. */
  lastWord: PromiseWithResolvers<void> | undefined
  #grant: Grant__Output
  /** What its steps are decided by, as it was told before it ran here. */
  #terms: StepTerms__Output | undefined

  constructor(grant: Grant__Output, instance: string, kind: BindingKind) {
    this.#grant = grant
    this.instance = instance
    this.kind = kind
  }

  get grant(): Grant__Output {
    return this.#grant
  }

  get id(): string {
    return this.#grant.id
  }

  /** Nothing more happens to it here. */
  get isOver(): boolean {
    return this.end !== undefined || isOverState(this.#grant.state)
  }

  /** It runs: bound, with an SVID, on a socket of its own. */
  run(held: HeldGrant, listener: GrantListener): void {
    this.held = held
    this.listener = listener
    this.update(held.grant)
    held.update(this.#grant) // what came while it was activated
    if (this.#terms !== undefined) held.adopt(this.#terms)
    this.changed.emit()
  }

  /** Takes what the server says, unless it is older than what is known. */
  update(grant: Grant__Output): void {
    if (grant.version <= this.#grant.version) return
    this.#grant = grant
    this.held?.update(grant)
    this.changed.emit()
  }

  /** What its steps are decided by is another. */
  adopt(terms: StepTerms__Output): void {
    this.#terms = terms
    this.held?.adopt(terms)
  }

  /** Over, before the server has said so. */
  endHere(end: EndReport): void {
    this.end = end
    if (!isOverState(this.#grant.state)) this.#grant = { ...this.#grant, state: 'ending', cause: end.cause, outcome: end.outcome, detail: end.detail }
    this.changed.emit()
  }

  /** Where it stands, now and with every change, until `done`. */
  async *follow(done: () => boolean, signal: AbortSignal): AsyncGenerator<GrantProgress, void, undefined> {
    const wake = new Wake()
    using _ = this.changed.on(() => wake.ring())
    let sent = ''
    for (;;) {
      const mark = `${this.#grant.version} ${this.#grant.state} ${this.listener?.path ?? ''}`
      if (mark !== sent) {
        sent = mark
        yield this.#progress()
      }
      if (done()) return
      await wake.heard(signal)
    }
  }

  #progress(): GrantProgress {
    const waits = this.#grant.state === 'pending_approval'
    return {
      grant: this.#grant,
      socket: this.isOver ? '' : (this.listener?.path ?? ''),
      approvers: waits ? this.#grant.mayApprove : [],
      howToApprove: waits ? `mayfly approve ${this.id}` : '',
    }
  }
}

/** Neither access nor a way to it is left. */
export function isOverState(state: string): boolean {
  return state === 'denied' || state === 'lapsed' || state === 'ending' || state === 'ended'
}

/** Why a grant that is over can do nothing more. */
export function overError({ grant }: Pick<Task, 'grant'>): MayflyError {
  if (grant.state === 'denied') return new MayflyError('GRANT_DENIED', `the grant was denied: ${grant.decision?.reasons.join(', ') ?? grant.detail}`, { hint: hintForDenial(grant.id, grant.decision?.reasons ?? []) })
  if (grant.state === 'lapsed') return new MayflyError('GRANT_LAPSED', 'nobody approved or used the grant in time', { hint: 'ask again' })
  return new MayflyError('GRANT_ENDED', `the grant has ended: ${grant.cause === '' ? 'withdrawn' : grant.cause}${grant.detail === '' ? '' : ` (${grant.detail})`}`, { hint: 'ask for another grant' })
}
