import { describe } from 'vitest'
import type { Store } from '../../../server/store/port.ts'
import { agentContract } from './contract/agents.ts'
import { authorityContract } from './contract/authorities.ts'
import { bundleContract } from './contract/bundles.ts'
import { credentialContract } from './contract/credentials.ts'
import { entryContract } from './contract/entries.ts'
import { grantTermsContract } from './contract/grant-terms.ts'
import { grantContract } from './contract/grants.ts'
import { journalContract } from './contract/journal.ts'
import { recoveryContract } from './contract/recovery.ts'
import { prefixContract } from './contract/prefixes.ts'
import { targetContract } from './contract/targets.ts'
import { targetEndContract } from './contract/target-ends.ts'
import { identityContract } from './contract/identities.ts'
import { verifierContract } from './contract/verifiers.ts'

/** A place for stores. Disposing it takes them away. */
export interface StorePlace extends AsyncDisposable {
  /** The first call makes the store; later ones, after it was disposed of, open it again. */
  open(): Promise<Store>
}

export type MakePlace = () => Promise<StorePlace>

/** What every engine of the store must do; each calls this with its own way to open one. */
export function storeContract(engine: string, makePlace: MakePlace): void {
  describe(engine, () => {
    describe('entries', () => entryContract(makePlace))
    describe('agents', () => agentContract(makePlace))
    describe('credentials', () => credentialContract(makePlace))
    describe('targets', () => targetContract(makePlace))
    describe('ends in pieces', () => targetEndContract(makePlace))
    describe('closed prefixes', () => prefixContract(makePlace))
    describe('authorities', () => authorityContract(makePlace))
    describe('bundles of other trust domains', () => bundleContract(makePlace))
    describe('journal and stream', () => journalContract(makePlace))
    describe('recovery', () => recoveryContract(makePlace))
    describe('grants', () => grantContract(makePlace))
    describe('what grants stand on', () => grantTermsContract(makePlace))
    describe('identities that end', () => identityContract(makePlace))
    describe('verifiers', () => verifierContract(makePlace))
  })
}

/** Runs a test's body with a new store, and closes it after. */
export async function withStore(makePlace: MakePlace, body: (store: Store) => Promise<void>): Promise<void> {
  await using place = await makePlace()
  await using store = await place.open()
  await body(store)
}
