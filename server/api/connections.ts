import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { rootAlone, type AdminRole } from '../../src/core/admin-role.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import { isAgentId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RpcServer } from '../../src/rpc/server.ts'
import { memberOf } from '../../src/verify/authorize.ts'
import type { BundleSet } from '../../src/verify/bundle-set.ts'
import { LiveConnections } from '../../src/verify/live-connections.ts'
import type { RevocationSource } from '../../src/verify/live-connections.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import type { Verdict } from '../../src/verify/verify-svid.ts'
import type { Admins } from './admins.ts'
import type { Standing } from './authorization.ts'
import type { Caller } from './caller.ts'

export interface ConnectionsDeps {
  readonly trustDomain: TrustDomain
  readonly bundles: () => BundleSet
  /** Authorities that a restore ended and whose agents come back by themselves. */
  readonly restored: () => BundleSet
  readonly revocation: RevocationSource
  readonly standing: Standing
  readonly clock: Clock
  readonly log: Logger
}

const sweepMs = 1_000
const farewellMs = 500
/** Attestation and bootstrap take seconds; whoever stays longer without a certificate is cut. */
const maxAnonymousMs = 30_000
/** Connections at once of uids that may not administer. */
const maxRefusedLocal = 32

/** Finds out who connected, hands the connection over, and cuts it when its SVID is revoked or has expired. */
export class Connections implements AsyncDisposable {
  readonly #deps: ConnectionsDeps
  readonly #live: LiveConnections
  /** When they are cut, by the time since boot: a clock that is set back keeps none of them open. */
  readonly #anonymous = new Map<TLSSocket, number>()
  readonly #expiring = new Map<TLSSocket, { readonly notAfterMs: number; readonly bootMs: number }>()
  readonly #stopping = new AbortController()
  #refusedLocal = 0
  readonly #sweeping: Promise<void>

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps
    this.#live = new LiveConnections(deps.revocation)
    this.#sweeping = this.#sweep(this.#stopping.signal)
  }

  /** After the handshake. A certificate that does not verify is not taken for none: its calls are refused with the reason. */
  acceptTls(socket: TLSSocket, chain: readonly Uint8Array[], rpc: RpcServer<Caller>): void {
    const address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`
    const { clock, log, trustDomain, bundles, revocation } = this.#deps
    const nowMs = clock.nowMs()
    if (chain.length === 0) {
      this.#until(this.#anonymous, socket, clock.bootMs() + maxAnonymousMs)
      rpc.inject(socket, { kind: 'anonymous', address })
      return
    }
    const verdict = verifyX509Svid(chain, { bundles: bundles(), allow: memberOf(trustDomain), revocation, issuedHere: true, nowMs })
    if (verdict.kind !== 'accepted') {
      const outdated = this.#outdated(chain, nowMs)
      if (outdated !== undefined) {
        this.#until(this.#anonymous, socket, clock.bootMs() + maxAnonymousMs)
        rpc.inject(socket, { kind: 'outdated', ...outdated, address })
        return
      }
      if (verdict.kind === 'unindexed' && isAgentId(verdict.id)) {
        log.warn({ event: 'connection.refused', address, verdict: verdict.kind, code: 'PERMISSION_DENIED', spiffeId: verdict.id }, 'an authority that this server does not know signed the SVID of an agent, and one of its own vouches for it: the agent may say what it knows')
        this.#until(this.#anonymous, socket, clock.bootMs() + maxAnonymousMs)
        rpc.inject(socket, { kind: 'unindexed', id: verdict.id, address })
        return
      }
      const refusal = this.#refusalOf(verdict)
      log.warn({ event: 'connection.refused', address, verdict: verdict.kind, code: refusal.code, spiffeId: 'id' in verdict ? verdict.id : undefined }, refusal.message)
      this.#until(this.#anonymous, socket, clock.bootMs() + maxAnonymousMs)
      rpc.inject(socket, { kind: 'refused', ...refusal, address })
      return
    }
    const { id, serial, notAfterMs, facts } = verdict
    this.#until(this.#expiring, socket, { notAfterMs, bootMs: clock.bootMs() + (notAfterMs - nowMs) })
    rpc.inject(socket, { kind: 'svid', id, serial, notAfterMs, facts, address })
    const held = this.#live.add(facts, (reason) => {
      log.info({ event: 'connection.cut', spiffeId: id, serial, address, reason }, 'connection of a revoked peer cut')
      if (reason === 'authority_revoked' && isAgentId(id)) void this.#afterFarewell(socket)
      else socket.destroy()
    })
    socket.once('close', () => held[Symbol.dispose]())
  }

  /** A connection of the admin socket. Whoever may not administer is told so, but cannot take the places of those who may. */
  acceptLocal(socket: Socket, credentials: { readonly uid: number; readonly pid: number }, admins: Admins, rpc: RpcServer<Caller>): void {
    const { uid, pid } = credentials
    const roles = admins.ofUid(uid)
    if (roles !== undefined) {
      rpc.inject(socket, { kind: 'local', uid, pid, roles })
      return
    }
    if (this.#refusedLocal >= maxRefusedLocal) {
      socket.destroy()
      return
    }
    this.#refusedLocal++
    socket.once('close', () => this.#refusedLocal--)
    this.#deps.log.warn({ event: 'connection.refused', uid, pid, code: 'PERMISSION_DENIED' }, 'a uid that may not administer connected')
    rpc.inject(socket, { kind: 'refused', code: 'PERMISSION_DENIED', message: `uid ${uid} may not administer this server`, hint: `add it to adminUids, or run as uid ${admins.uids.join(' or ')}`, address: `uid:${uid}` })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#live[Symbol.dispose]()
    await this.#sweeping
  }

  /** The agent whose SVID an authority signed that a restore has ended since. */
  #outdated(chain: readonly Uint8Array[], nowMs: number): { readonly id: SpiffeId; readonly serial: string } | undefined {
    const { trustDomain, restored } = this.#deps
    const bundles = restored()
    if (bundles.authoritiesOf(trustDomain).length === 0) return undefined
    const verdict = verifyX509Svid(chain, { bundles, allow: memberOf(trustDomain), revocation: revocationUnchecked, issuedHere: true, nowMs })
    return verdict.kind === 'accepted' && isAgentId(verdict.id) ? { id: verdict.id, serial: verdict.serial } : undefined
  }

  #refusalOf(verdict: Exclude<Verdict, { kind: 'accepted' }>): Pick<Extract<Caller, { kind: 'refused' }>, 'code' | 'message' | 'hint'> {
    switch (verdict.kind) {
      case 'expired':
        return { code: 'AGENT_EXPIRED', message: `the SVID of ${verdict.id} has expired`, hint: 'an agent that was away for longer than its SVID lives joins with a new token' }
      case 'revoked':
      case 'superseded':
      case 'authority_revoked':
        return this.#standingOf(verdict.id) ?? { code: isAgentId(verdict.id) ? 'AGENT_NOT_ACTIVE' : 'PERMISSION_DENIED', message: `the SVID of ${verdict.id} was revoked` }
      case 'not_yet_valid':
        return { code: 'PERMISSION_DENIED', message: `the SVID of ${verdict.id} is not valid yet`, hint: 'check the clocks of both machines' }
      case 'malformed':
      case 'untrusted':
        return { code: 'PERMISSION_DENIED', message: `the client certificate is refused: ${verdict.why}` }
      case 'not_authorized':
        return { code: 'PERMISSION_DENIED', message: `${verdict.id} is not in trust domain ${this.#deps.trustDomain}` }
      case 'unindexed':
        return { code: 'PERMISSION_DENIED', message: `the authority of the SVID of ${verdict.id} is not one of this server` }
      case 'clock_skew':
      case 'stale':
        return { code: 'UNAVAILABLE', message: 'the revocations are not known' }
      default:
        return verdict satisfies never
    }
  }

  /** Why an agent's SVID was ended, where the registry knows. */
  #standingOf(id: SpiffeId): { readonly code: 'AGENT_BANNED' | 'AGENT_NOT_ATTESTED' | 'TARGET_DISABLED'; readonly message: string } | undefined {
    const code = isAgentId(id) ? this.#deps.standing.agentProblem(id) : undefined
    if (code === undefined) return undefined
    const why = { AGENT_BANNED: 'is banned', AGENT_NOT_ATTESTED: 'is not attested', TARGET_DISABLED: 'is disabled' }[code]
    return { code, message: `agent ${id} ${why}` }
  }

  /**
   * An agent that hangs on a revoked authority has done nothing wrong, and the verifiers on its node are to hear of the revocation: its calls are refused at once,
   * and the stream that it reads is cut when the news has had time to arrive.
   */
  async #afterFarewell(socket: TLSSocket): Promise<void> {
    await this.#deps.clock.sleep(farewellMs, this.#stopping.signal).catch(() => undefined) // stopping: now
    socket.destroy()
  }

  #until<Deadline>(deadlines: Map<TLSSocket, Deadline>, socket: TLSSocket, deadline: Deadline): void {
    deadlines.set(socket, deadline)
    socket.once('close', () => deadlines.delete(socket))
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    while (!signal.aborted) {
      try {
        await clock.sleep(sweepMs, signal)
      } catch {
        return // stopping
      }
      const nowMs = clock.nowMs()
      const bootMs = clock.bootMs()
      for (const [socket, atBootMs] of this.#anonymous) if (bootMs > atBootMs) socket.destroy()
      for (const [socket, end] of this.#expiring) {
        if (nowMs <= end.notAfterMs && bootMs <= end.bootMs) continue
        log.info({ event: 'connection.cut', reason: 'expired' }, 'connection whose SVID has expired cut')
        socket.destroy()
      }
    }
  }
}

const nothing: ReadonlySet<AdminRole> = new Set<AdminRole>()

/** What the authorization table asks. */
export function standingOf(deps: {
  readonly registry: { readonly agents: { byId(id: SpiffeId): { readonly banned: boolean } | undefined }; readonly entries: { isAgentDisabled(id: SpiffeId): boolean; isAdmin(id: SpiffeId, nowMs: number): boolean; isShut(id: SpiffeId, nowMs: number): boolean; downstreamEntry(id: SpiffeId, nowMs: number): unknown } }
  readonly revocation: RevocationSource
  readonly admins: Pick<Admins, 'ofId'>
  readonly clock: Clock
}): Standing {
  const { registry, revocation, admins, clock } = deps
  return {
    agentProblem: (id) => {
      const agent = registry.agents.byId(id)
      if (agent === undefined) return 'AGENT_NOT_ATTESTED'
      if (agent.banned) return 'AGENT_BANNED'
      return registry.entries.isAgentDisabled(id) ? 'TARGET_DISABLED' : undefined
    },
    rolesOf: (id) => {
      const named = admins.ofId(id)
      if (named !== undefined) return registry.entries.isShut(id, clock.nowMs()) ? nothing : named
      return registry.entries.isAdmin(id, clock.nowMs()) ? rootAlone : nothing
    },
    isDownstream: (id) => registry.entries.downstreamEntry(id, clock.nowMs()) !== undefined,
    isEnded: ({ facts }) => {
      const { kind } = revocation.check(facts)
      return kind === 'revoked' || kind === 'authority_revoked' || kind === 'expired'
    },
    nowMs: () => clock.nowMs(),
  }
}
