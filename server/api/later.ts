import { MayflyError } from '../../src/core/errors.ts'

/** Answers of SPIRE's calls that have no meaning here yet, in words that a person at SPIRE's command can use. */
export const noTokens: () => Promise<never> = refusal('this server issues no tokens yet, JWT or WIT: they come with a later release')
/** A nested SPIRE server ends with this as its last line. */
export const noTokenKeys: () => Promise<never> = refusal('this server issues no tokens yet, JWT or WIT: a nested SPIRE server says disable_jwt_svids = true in its configuration')
export const noFederation: () => Promise<never> = refusal('this server fetches no bundles of other trust domains: federation relationships come with a later release', 'set the bundle by hand: spire-server bundle set, or mayfly bundle set')
export const noForeignAuthorities: () => Promise<never> = refusal('authorities of others are not added to this bundle: what they sign could not be revoked here', 'an upstream authority above both servers makes each trust the other')

function refusal(message: string, hint?: string): () => Promise<never> {
  return async () => {
    throw new MayflyError('UNIMPLEMENTED', message, hint === undefined ? {} : { hint })
  }
}
