import type { Selector } from './selector.ts'
import type { SpiffeId } from './spiffe-id.ts'

/** What an entry says beyond SPIRE's fields. */
export interface EntryOptions {
  /** The person or team answerable; empty when nobody is named. */
  readonly owner: string
  /** Sign ahead of the first request, so that the workload survives a server outage. */
  readonly prefetch: boolean
  /** Keep the key and the SVID when the last process that held it exits; otherwise the agent drops the key and reports the serial. */
  readonly keepOnExit: boolean
  /** Its workloads are handed lists of revoked certificates in the Workload API's `crl` field. */
  readonly crl: boolean
}

/** A registration entry as its author states it. Times in seconds since the epoch and TTLs in seconds, 0 = unset, as on SPIRE's wire. */
export interface EntrySpec extends EntryOptions {
  readonly spiffeId: SpiffeId
  readonly parentId: SpiffeId
  readonly selectors: readonly Selector[]
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly federatesWith: readonly string[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly expiresAtSeconds: number
  readonly dnsNames: readonly string[]
  readonly storeSvid: boolean
  readonly hint: string
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
}

/** A registration entry as the registry holds it. */
export interface Entry extends EntrySpec {
  /** `[a-zA-Z0-9._-]{1,255}`; a UUID when mayfly chose it. */
  readonly id: string
  readonly createdAtSeconds: number
  /** Rises by one with every change, so that agents re-sign. */
  readonly revision: number
  /** Whether the entry itself is disabled (a disabled ID, agent or owner does not show here). */
  readonly disabled: boolean
}

/** What an entry says when its author says nothing of it. */
export const plainEntry: Omit<EntrySpec, 'spiffeId' | 'parentId' | 'selectors'> = Object.freeze({
  x509SvidTtlSeconds: 0,
  jwtSvidTtlSeconds: 0,
  federatesWith: [],
  admin: false,
  downstream: false,
  expiresAtSeconds: 0,
  dnsNames: [],
  storeSvid: false,
  hint: '',
  disableX509SvidPrefetch: false,
  jwtSvidIncludeJti: false,
  owner: '',
  prefetch: false,
  keepOnExit: false,
  crl: false,
})
