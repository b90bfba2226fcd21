import type { AdminRole } from '../../src/core/admin-role.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { ChainFacts } from '../../src/core/revocation/check.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** Who is on the other end of a connection, as its listener found it out. What it may do is decided at each call. */
export type Caller =
  | LocalCaller
  /** TLS without a client certificate. */
  | { readonly kind: 'anonymous'; readonly address: string }
  | SvidCaller
  /** TLS with the SVID of an agent from before the server was restored: it may renew that, and nothing else. */
  | OutdatedCaller
  /** TLS with the SVID of an agent by an authority that this server does not know, and that one of its own vouches for: it may say how far the stream has come. */
  | { readonly kind: 'unindexed'; readonly id: SpiffeId; readonly address: string }
  /** TLS with a certificate that was refused, or a uid that is not in the list: each of its calls is told why. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string; readonly hint?: string; readonly address: string }

/** On the admin socket, with a uid of the list. */
export interface LocalCaller {
  readonly kind: 'local'
  readonly uid: number
  readonly pid: number
  readonly roles: ReadonlySet<AdminRole>
}

/** TLS with an SVID of this trust domain, verified when the connection was made. */
export interface SvidCaller {
  readonly kind: 'svid'
  readonly id: SpiffeId
  /** 34 hexadecimal digits. */
  readonly serial: string
  readonly notAfterMs: number
  /** For looking at its revocation again. */
  readonly facts: ChainFacts
  readonly address: string
}

export interface OutdatedCaller {
  readonly kind: 'outdated'
  readonly id: SpiffeId
  /** 34 hexadecimal digits. */
  readonly serial: string
  readonly address: string
}

/** How the record names a caller: `uid:1000`, or its SPIFFE ID. */
export function nameOf(caller: Caller): string {
  switch (caller.kind) {
    case 'local':
      return `uid:${caller.uid}`
    case 'svid':
    case 'outdated':
    case 'unindexed':
      return caller.id
    case 'anonymous':
    case 'refused':
      return 'anonymous'
    default:
      return caller satisfies never
  }
}
