import type { SpiffeId } from '../spiffe-id.ts'

/** What a check is told of a chain whose signatures and validity were verified already. */
export interface ChainFacts {
  /** Of the leaf. */
  readonly id: SpiffeId
  /** Serial number of the leaf: 17 bytes when mayfly issued it. */
  readonly serial: Uint8Array
  /** Of the leaf. */
  readonly notAfterMs: number
  /** The authority that signed the leaf: SHA-256 of its SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly authorityId: string
  /** Ids of all authorities above that one, up to the one in the bundle; empty when that one signed the leaf. */
  readonly aboveIds: readonly string[]
}

/** What the set says of a credential (design 6). Only `good` may make a new connection; `superseded` may keep an open one. */
export type CheckOutcome =
  | { readonly kind: 'good' }
  | { readonly kind: 'superseded' }
  /** By its bit, or with the grant whose ID is its own or lies above it. */
  | { readonly kind: 'revoked'; readonly closedPrefix?: SpiffeId }
  /** An authority of the chain was revoked. */
  | { readonly kind: 'authority_revoked'; readonly authorityId: string }
  /** The stream does not list the authority that signed: its serials do not count. */
  | { readonly kind: 'unindexed'; readonly authorityId: string }
  /** Its bucket is gone, whatever the local clock says. */
  | { readonly kind: 'expired' }
  /** Not 17 bytes, a shard or an index out of range, or a minute that is not ⌊notAfter / 60 s⌋. */
  | { readonly kind: 'malformed' }

/** The outcomes that carry nothing, made once. */
export const outcomes: { readonly [kind in 'good' | 'superseded' | 'revoked' | 'expired' | 'malformed']: CheckOutcome } = {
  good: { kind: 'good' },
  superseded: { kind: 'superseded' },
  revoked: { kind: 'revoked' },
  expired: { kind: 'expired' },
  malformed: { kind: 'malformed' },
}
