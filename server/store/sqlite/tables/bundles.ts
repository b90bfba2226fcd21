import type { FederatedBundle } from '../../../../src/core/federated-bundle.ts'
import { bundleFromJournal } from '../../../journal/bundle-records.ts'
import type { JournaledBundle } from '../../../journal/bundle-records.ts'
import type { Statements } from '../query.ts'

/** Bundles of other trust domains, by name. */
export class BundleTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byName(trustDomain: string): FederatedBundle | undefined {
    const row = this.#statements.query<BundleRow>('SELECT trust_domain, body FROM federated_bundles WHERE trust_domain = ?').one(trustDomain)
    return row === undefined ? undefined : bundleOf(row)
  }

  has(trustDomain: string): boolean {
    return this.#statements.query('SELECT 1 FROM federated_bundles WHERE trust_domain = ?').one(trustDomain) !== undefined
  }

  count(): number {
    return this.#statements.query<{ n: number }>('SELECT count(*) AS n FROM federated_bundles').one()?.n ?? 0
  }

  /** Those whose names come after this one, in the order of their names. */
  after(trustDomain: string, limit: number): FederatedBundle[] {
    return this.#statements.query<BundleRow>('SELECT trust_domain, body FROM federated_bundles WHERE trust_domain > ? ORDER BY trust_domain LIMIT ?').all(trustDomain, limit).map(bundleOf)
  }

  put(bundle: JournaledBundle): void {
    this.#statements.query('INSERT OR REPLACE INTO federated_bundles (trust_domain, body) VALUES (?, ?)').run(bundle.trustDomain, JSON.stringify(bundle))
  }

  remove(trustDomain: string): void {
    this.#statements.query('DELETE FROM federated_bundles WHERE trust_domain = ?').run(trustDomain)
  }
}

interface BundleRow {
  readonly trust_domain: string
  readonly body: string
}

function bundleOf({ body }: BundleRow): FederatedBundle {
  return bundleFromJournal(JSON.parse(body) as JournaledBundle) // put() made it
}
