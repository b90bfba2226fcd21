import { MayflyError } from './errors.ts'

/**
 * The states of an authority, as SPIRE names them. `prepared`: in the bundle, signs nothing yet. `active`: signs; there is at most one. `old`: in the
 * bundle for what it signed. `tainted`: in the bundle, what it signed is replaced by force. `revoked`: out of the bundle, for good.
 */
export type AuthorityState = 'prepared' | 'active' | 'old' | 'tainted' | 'revoked'
export type AuthorityMove = 'activate' | 'retire' | 'taint' | 'revoke'

const moves: Readonly<Record<AuthorityState, Partial<Readonly<Record<AuthorityMove, AuthorityState>>>>> = {
  prepared: { activate: 'active', taint: 'tainted', revoke: 'revoked' },
  active: { retire: 'old', taint: 'tainted', revoke: 'revoked' },
  old: { taint: 'tainted', revoke: 'revoked' },
  tainted: { revoke: 'revoked' },
  revoked: {},
}

/** The state after a move. @throws {MayflyError} AUTHORITY_STATE when the state does not allow it */
export function moveAuthority(state: AuthorityState, move: AuthorityMove): AuthorityState {
  const next = moves[state][move]
  if (next === undefined) throw new MayflyError('AUTHORITY_STATE', `an authority that is ${state} cannot be ${pastOf[move]}`)
  return next
}

/** Whether an authority in this state is published in the bundle. */
export function isPublished(state: AuthorityState): boolean {
  return state !== 'revoked'
}

/** What the rotation needs to know of an authority. */
export interface AuthorityFacts {
  readonly id: string
  readonly state: AuthorityState
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly preparedAtMs: number
  /** It is to be replaced now, whatever its age: what stands above it has changed. */
  readonly replaced?: boolean
}

export interface RotationTerms {
  /** Life of a new authority. */
  readonly lifeMs: number
  /** Whether every connected agent has acknowledged a bundle that holds this authority. */
  readonly acknowledged: (id: string) => boolean
}

/** One thing to do now, or when to look again. */
export type RotationStep =
  /** `replaces`: what stands above the active one has changed. */
  | { readonly kind: 'prepare'; readonly replaces: boolean }
  | { readonly kind: 'activate'; readonly id: string }
  | { readonly kind: 'remove'; readonly id: string }
  | { readonly kind: 'wait'; readonly untilMs: number }

/**
 * What is due at `nowMs`, the most urgent first; carry it out and ask again until it says `wait`.
 * - No authority can sign: one is prepared and activated at once; there is nobody to wait for.
 * - The active one is past half its life: the next is prepared, and activated once it is acknowledged or {@link safeDelayMs} has passed. One that was
 *   prepared before that, by hand, waits for a hand or for that moment.
 * - One that is `replaced` is over half its life in all of this.
 * - One whose notAfter has passed leaves the bundle, but never the active one before another has taken its place.
 */
export function nextRotationStep(authorities: readonly AuthorityFacts[], nowMs: number, terms: RotationTerms): RotationStep {
  const alive = (authority: AuthorityFacts): boolean => nowMs <= authority.notAfterMs
  const active = authorities.find((authority) => authority.state === 'active' && alive(authority))
  const prepared = authorities.filter((authority) => authority.state === 'prepared' && alive(authority)).toSorted((left, right) => left.preparedAtMs - right.preparedAtMs)[0]
  if (active === undefined) return prepared === undefined ? { kind: 'prepare', replaces: false } : { kind: 'activate', id: prepared.id }

  const expired = authorities.find((authority) => authority.state !== 'revoked' && !alive(authority))
  if (expired !== undefined) return { kind: 'remove', id: expired.id }

  const prepareAtMs = active.replaced === true ? -Infinity : halfLifeMs(active)
  if (prepared === undefined && nowMs >= prepareAtMs) return { kind: 'prepare', replaces: active.replaced === true }
  const activateAtMs = prepared === undefined ? Infinity : Math.max(prepareAtMs, prepared.preparedAtMs + safeDelayMs(terms.lifeMs))
  if (prepared !== undefined && nowMs >= prepareAtMs && (nowMs >= activateAtMs || terms.acknowledged(prepared.id))) return { kind: 'activate', id: prepared.id }

  const ends = authorities.filter((authority) => authority.state !== 'revoked').map((authority) => authority.notAfterMs + 1)
  return { kind: 'wait', untilMs: Math.min(prepared === undefined || nowMs < prepareAtMs ? prepareAtMs : activateAtMs, ...ends) }
}

/** How long a prepared authority waits for acknowledgements: five minutes, or a twelfth of an authority's life when that is less. */
export function safeDelayMs(lifeMs: number): number {
  return Math.min(300_000, lifeMs / 12)
}

/** The moment when half of the authority's life is over. */
export function halfLifeMs(authority: { readonly notBeforeMs: number; readonly notAfterMs: number }): number {
  return authority.notBeforeMs + (authority.notAfterMs - authority.notBeforeMs) / 2
}

const pastOf: Readonly<Record<AuthorityMove, string>> = { activate: 'activated', retire: 'retired', taint: 'tainted', revoke: 'revoked' }
