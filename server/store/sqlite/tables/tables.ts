import type { DatabaseSync } from 'node:sqlite'
import { Statements } from '../query.ts'
import { AgentTable } from './agents.ts'
import { AuthorityTable } from './authorities.ts'
import { BundleTable } from './bundles.ts'
import { DomainTable } from './domain.ts'
import { EntryTable } from './entries.ts'
import { OwnerTable, PeopleTable, PolicyTable, RoleTable } from './grant-terms.ts'
import { GrantTable } from './grants.ts'
import { JournalTable, type JournalHead } from './journal.ts'
import { LedgerTable } from './ledger.ts'
import { PrefixTable } from './prefixes.ts'
import { StreamTable, type StreamHead } from './stream.ts'
import { TargetTable } from './targets.ts'
import { UseTable } from './uses.ts'
import { VerifierTable } from './verifiers.ts'

/** Every table of one open database, with its prepared statements. What they remember beside it is given up by {@link Tables.restore}. */
export class Tables {
  readonly statements: Statements
  readonly domain: DomainTable
  readonly journal: JournalTable
  readonly stream: StreamTable
  readonly entries: EntryTable
  readonly agents: AgentTable
  readonly ledger: LedgerTable
  readonly prefixes: PrefixTable
  readonly targets: TargetTable
  readonly authorities: AuthorityTable
  readonly bundles: BundleTable
  readonly verifiers: VerifierTable
  readonly uses: UseTable
  readonly grants: GrantTable
  readonly roles: RoleTable
  readonly owners: OwnerTable
  readonly people: PeopleTable
  readonly policies: PolicyTable

  constructor(database: DatabaseSync) {
    this.statements = new Statements(database)
    this.domain = new DomainTable(this.statements)
    this.journal = new JournalTable(this.statements)
    this.stream = new StreamTable(this.statements)
    this.entries = new EntryTable(this.statements)
    this.agents = new AgentTable(this.statements)
    this.ledger = new LedgerTable(this.statements)
    this.prefixes = new PrefixTable(this.statements)
    this.targets = new TargetTable(this.statements)
    this.authorities = new AuthorityTable(this.statements)
    this.bundles = new BundleTable(this.statements)
    this.verifiers = new VerifierTable(this.statements)
    this.uses = new UseTable(this.statements)
    this.grants = new GrantTable(this.statements)
    this.roles = new RoleTable(this.statements)
    this.owners = new OwnerTable(this.statements)
    this.people = new PeopleTable(this.statements)
    this.policies = new PolicyTable(this.statements)
  }

  /** What is remembered of the tables at this moment. */
  mark(): TablesMark {
    return { journal: this.journal.head(), stream: this.stream.head() }
  }

  /** To be called when the transaction or savepoint since `mark` was rolled back. */
  restore(mark: TablesMark): void {
    this.journal.restore(mark.journal)
    this.stream.restore(mark.stream)
    this.targets.forget()
  }
}

export interface TablesMark {
  readonly journal: JournalHead
  readonly stream: StreamHead
}
