import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { BundleSet } from '../../src/verify/bundle-set.ts'
import type { Authority } from '../store/port.ts'
import type { AuthoritySet } from './authorities.ts'

/** The bundle as the verifier wants it, parsed once a change. */
export function bundleSets(authorities: AuthoritySet): () => BundleSet {
  let parsed: { readonly of: unknown; readonly set: BundleSet } | undefined
  return () => {
    const bundle = authorities.bundle()
    if (parsed?.of !== bundle) parsed = { of: bundle, set: BundleSet.of(bundle) }
    return parsed.set
  }
}

/** Authorities whose word counts for what this server signed in the past, and those that a restore ended and whose agents come back by themselves; each parsed once a change. */
export function pastAuthorities(trustDomain: TrustDomain, authorities: AuthoritySet): { readonly ours: () => BundleSet; readonly restored: () => BundleSet } {
  const setOf = (choose: (authority: Authority) => boolean): (() => BundleSet) => {
    let parsed: { readonly of: unknown; readonly set: BundleSet } | undefined
    return () => {
      const all = authorities.all()
      if (parsed?.of !== all) parsed = { of: all, set: BundleSet.of({ trustDomain, x509Authorities: all.filter(choose).map(({ certificate }) => certificate) }) }
      return parsed.set
    }
  }
  return { ours: setOf(({ state }) => state !== 'revoked' && state !== 'tainted'), restored: setOf(({ endedByRestore }) => endedByRestore === 'agents_return') }
}
