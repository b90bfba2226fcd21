import { createHash } from 'node:crypto'
import { MayflyError } from '../../src/core/errors.ts'
import { agentNameOf } from '../../src/core/join-line.ts'
import { spiffeIdOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import type { Actor, Store } from '../store/port.ts'
import type { NodeAttestor, NodeProof } from './node-attestor.ts'

/** A join token as it is handed out, once; the store keeps only its SHA-256. */
export class JoinTokenSecret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toJSON(): string {
    return '[secret]'
  }
}

export interface JoinTokenRequest {
  readonly ttlMs: number
  /** The caller's own choice, at least 16 characters; unset: 256 random bits. */
  readonly value?: string
  readonly by: Actor
  readonly aliasId?: SpiffeId
}

export interface IssuedJoinToken {
  readonly secret: JoinTokenSecret
  readonly agentId: SpiffeId
  readonly expiresAtMs: number
}

const tokenBytes = 32
const minTtlMs = 1_000
const maxTtlMs = 7 * 86_400_000
const form = /^[a-zA-Z0-9._-]{16,255}$/

/** The node attestor `join_token`: whoever shows a token that was never shown before is the agent it was made for. */
export class JoinTokens implements NodeAttestor {
  readonly type = 'join_token'
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  readonly #trustDomain: TrustDomain

  constructor(deps: { readonly store: Store; readonly clock: Clock; readonly random: Random; readonly trustDomain: TrustDomain }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#random = deps.random
    this.#trustDomain = deps.trustDomain
  }

  /** @throws {MayflyError} INVALID_ARGUMENT, ALREADY_EXISTS when a token of this value was ever made */
  async create(request: JoinTokenRequest): Promise<IssuedJoinToken> {
    if (!(request.ttlMs >= minTtlMs && request.ttlMs <= maxTtlMs)) throw new MayflyError('INVALID_ARGUMENT', 'a join token lives one second to seven days', { hint: 'give a ttl, such as 600 seconds' })
    const value = request.value ?? Buffer.from(this.#random.bytes(tokenBytes)).toString('base64url')
    if (!form.test(value)) throw new MayflyError('INVALID_ARGUMENT', 'a join token is 16 to 255 of a-z A-Z 0-9 . _ -', { hint: 'leave it out and get one of 256 random bits' })
    const agentId = spiffeIdOf(this.#trustDomain, `/spire/agent/join_token/${agentNameOf(value, sha256)}`)
    const expiresAtMs = request.by.atMs + request.ttlMs
    const alias = request.aliasId === undefined ? {} : { aliasId: request.aliasId }
    await this.#store.agents.createJoinToken({ tokenHash: hashOf(value), agentId, expiresAtMs, ...alias }, request.by)
    return { secret: new JoinTokenSecret(value), agentId, expiresAtMs }
  }

  /** Spends the token. Of many that show it at once, one gets the ID; the agent renews, and cannot attest again. @throws {MayflyError} TOKEN_INVALID, AGENT_BANNED */
  // oxlint-disable-next-line require-yield -- a token is asked nothing
  async *prove(payload: Uint8Array): AsyncGenerator<never, NodeProof, Uint8Array> {
    const value = Buffer.from(payload).toString('latin1')
    if (!form.test(value)) throw tokenInvalid()
    try {
      const { agentId } = await this.#store.agents.redeemJoinToken(hashOf(value), this.#clock.nowMs())
      return { agentId, selectorValues: [], again: 'spent' }
    } catch (error) {
      throw error instanceof MayflyError && error.code === 'TOKEN_INVALID' ? tokenInvalid(error) : error
    }
  }
}

/** One message for unknown, used and expired: whoever guesses learns nothing. */
function tokenInvalid(cause?: unknown): MayflyError {
  return new MayflyError('TOKEN_INVALID', 'the join token is unknown, used or expired', {
    cause,
    hint: 'a token works once: make a new one with `mayfly token create`, and start the agent with the line it prints',
  })
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
