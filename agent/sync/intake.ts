import type { FederatedBundle__Output } from '../../proto/generated/mayfly/v1/FederatedBundle.ts'
import type { GrantChanges__Output } from '../../proto/generated/mayfly/v1/GrantChanges.ts'
import type { PolicyPush__Output } from '../../proto/generated/mayfly/v1/PolicyPush.ts'
import type { ServerMessage__Output } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { Entry } from '../../src/core/entry.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import type { AgentState } from './agent-state.ts'
import type { EntryCache } from './entry-cache.ts'
import type { Federation } from './federation.ts'
import type { Trust } from './trust.ts'
import { entryFromWire, frameFromWire } from './wire.ts'

/** Who is told what the server says of grants, in the order in which it says it; must not throw. */
export interface GrantNews {
  changed(changes: GrantChanges__Output): void
  policy(push: PolicyPush__Output): void
}

export interface IntakeDeps {
  readonly entries: EntryCache
  readonly federation: Federation
  readonly trust: Trust
  readonly relay: RevocationRelay
  readonly reports: VerifierReports
  readonly log: Logger
  readonly state: AgentState
  readonly grants: GrantNews
}

/** What follows from a message for the connection that it came over. */
export type Consequence = 'acknowledge' | 'entries_known' | 'renew' | { readonly endedAccepted: number } | undefined

/** Takes in what the server sends over one connection: each message to whom it concerns. */
export class Intake {
  readonly #deps: IntakeDeps
  /** Of a snapshot that is not complete yet. */
  #parts: Entry[] = []
  /** Of the trust domains that it federates with; unset once it is complete, and what comes then are changes. */
  #federated: FederatedBundle__Output[] | undefined = []
  /** Likewise of the grants; unset once all are known, and what comes then are changes. */
  #allGrants: { readonly grants: GrantChanges__Output['grants']; readonly terms: GrantChanges__Output['terms'] } | undefined = { grants: [], terms: [] }

  constructor(deps: IntakeDeps) {
    this.#deps = deps
  }

  /** @throws {MayflyError} ENTRY_INVALID, CERTIFICATE_INVALID, SPIFFE_ID_INVALID: the server sent what cannot be */
  take(wire: ServerMessage__Output): Consequence {
    const { entries, federation, relay, reports, log, grants } = this.#deps
    switch (wire.message) {
      case 'snapshot':
        this.#parts.push(...(wire.snapshot?.entries ?? []).map(entryFromWire))
        if (wire.snapshot?.complete !== true) return undefined
        log.info({ event: 'entries.synced', entries: this.#parts.length }, 'all entries of this agent are known')
        federation.replace(this.#federated ?? [])
        this.#federated = undefined
        entries.replace(this.#parts.splice(0))
        return 'entries_known'
      case 'change':
        entries.apply((wire.change?.upserted ?? []).map(entryFromWire), wire.change?.deletedIds ?? [])
        return undefined
      case 'bundle':
        this.#bundle(wire)
        return 'acknowledge'
      case 'revocations': {
        if (wire.revocations === null || wire.revocations === undefined) return undefined
        const outcome = relay.accept(frameFromWire(wire.revocations))
        return outcome.kind === 'applied' || outcome.kind === 'replaced' ? 'acknowledge' : undefined
      }
      case 'endedAccepted':
        return { endedAccepted: wire.endedAccepted?.reportId ?? 0 }
      case 'renew':
        return 'renew'
      case 'grants':
        if (wire.grants !== null && wire.grants !== undefined) this.#grants(wire.grants)
        return undefined
      case 'verifiersRefused':
        for (const { instance, refused } of wire.verifiersRefused?.refusals ?? []) reports.refused(instance, refused)
        return undefined
      case 'taintedAuthorities':
        this.#deps.trust.taint(wire.taintedAuthorities?.ids ?? [])
        return undefined
      case 'policy':
        if (wire.policy !== null && wire.policy !== undefined) grants.policy(wire.policy)
        return undefined
      case 'federated':
        if (wire.federated === null || wire.federated === undefined) return undefined
        if (this.#federated === undefined) federation.apply(wire.federated)
        else this.#federated.push(wire.federated)
        return undefined
      case undefined:
        return undefined // of a later version
      default:
        return wire.message satisfies never
    }
  }

  /** All grants of this agent at once, then each change. */
  #grants({ grants: part, complete, terms }: GrantChanges__Output): void {
    const { grants } = this.#deps
    if (this.#allGrants === undefined) return grants.changed({ grants: part, complete: false, terms })
    this.#allGrants.grants.push(...part)
    this.#allGrants.terms.push(...terms)
    if (!complete) return
    const all = this.#allGrants
    this.#allGrants = undefined
    grants.changed({ ...all, complete: true })
  }

  #bundle({ bundle }: ServerMessage__Output): void {
    const { trust, log, state } = this.#deps
    if (bundle === null || bundle === undefined || !trust.replace(bundle)) return
    log.info({ event: 'bundle.changed', authorities: trust.bundle.x509Authorities.length, sequence: String(trust.bundle.sequence ?? 0n) }, 'the bundle has changed')
    state.saveBundle(trust.bundle).catch((error: unknown) => log.error({ event: 'state.unwritable', error: String(error) }, 'the bundle could not be kept'))
  }
}
