import type { ChainFacts } from '../core/revocation/check.ts'
import { trustDomainOf, type TrustDomain } from '../core/spiffe-id.ts'
import type { SignedCrl } from '../x509/signed-crl.ts'
import type { RevocationChecker, revocationUnchecked } from './checker.ts'

/**
 * What knows the revocations of authorities that the verifier's own stream does not list: another trust domain's stream, that of an authority further down, or
 * an authority's list. Without one of them such an authority is `unindexed`, and refused.
 */
export type RevocationsElsewhere =
  /**
   * All of this trust domain's, in place of the verifier's own stream. `revocationUnchecked`: nobody says what it revokes, as with an issuer that has no revocation, and its identities are
   * accepted until they expire: the verdict has no class and no age then, whatever class was asked for.
   */
  | { readonly trustDomain: TrustDomain; readonly revocation: RevocationChecker | typeof revocationUnchecked }
  /** What the authority of this id signed, when the own stream does not list it; SHA-256 of its SubjectPublicKeyInfo, lower-case hexadecimal. */
  | { readonly authorityId: string; readonly revocation: RevocationChecker }
  /** The same, by a list of that authority. It ends new connections alone, and is as old as its thisUpdate. */
  | { readonly crl: SignedCrl }

/** Who is asked of this chain in place of the own stream. */
export function foreignStream(elsewhere: readonly RevocationsElsewhere[], { id }: ChainFacts): RevocationChecker | typeof revocationUnchecked | undefined {
  const found = elsewhere.find((one) => 'trustDomain' in one && one.trustDomain === trustDomainOf(id))
  return found !== undefined && 'revocation' in found ? found.revocation : undefined
}

/** Who speaks for an authority that the own stream does not list. */
export function ofAuthority(elsewhere: readonly RevocationsElsewhere[], { authorityId }: ChainFacts): RevocationChecker | SignedCrl | undefined {
  for (const one of elsewhere) {
    if ('crl' in one && one.crl.authorityId === authorityId) return one.crl
    if ('authorityId' in one && one.authorityId === authorityId) return one.revocation
  }
  return undefined
}
