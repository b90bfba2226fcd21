import { createHash } from 'node:crypto'
import type { GrantRole } from '../../../../src/core/grant/grant.ts'
import type { Owner, OwnerShare, Person, PolicyException, PolicyVersion } from '../../grant-model.ts'
import type { Statements } from '../query.ts'

/** Grant roles. A deleted one keeps its row, so that its version goes on rising. */
export class RoleTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byName(name: string): GrantRole | undefined {
    return bodyOf(this.#statements.query<Body<GrantRole>>('SELECT body FROM roles WHERE name = ? AND deleted = 0').one(name))
  }

  /** Also of a deleted one; 0 when there never was one. */
  versionOf(name: string): number {
    return this.#statements.query<{ version: number }>('SELECT version FROM roles WHERE name = ?').one(name)?.version ?? 0
  }

  hasWorkload(spiffeId: string): boolean {
    return this.#statements.query('SELECT 1 FROM roles WHERE spiffe_id = ? LIMIT 1').one(spiffeId) !== undefined
  }

  all(): GrantRole[] {
    return bodiesOf(this.#statements.query<Body<GrantRole>>('SELECT body FROM roles WHERE deleted = 0 ORDER BY name').all())
  }

  ownedBy(owner: string): GrantRole[] {
    return bodiesOf(this.#statements.query<Body<GrantRole>>('SELECT body FROM roles WHERE owner = ? AND deleted = 0 ORDER BY name').all(owner))
  }

  put(role: GrantRole): void {
    this.#statements
      .query('INSERT OR REPLACE INTO roles (name, spiffe_id, owner, version, deleted, body) VALUES (?, ?, ?, ?, 0, ?)')
      .run(role.name, role.spiffeId, role.owner, role.version, JSON.stringify(role))
  }

  delete(name: string): void {
    this.#statements.query('UPDATE roles SET deleted = 1 WHERE name = ?').run(name)
  }
}

/** Owners; a removed one keeps its row. */
export class OwnerTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byName(name: string): Owner | undefined {
    const row = this.#statements.query<OwnerRow>('SELECT name, contact, removed FROM owners WHERE name = ?').one(name)
    return row === undefined ? undefined : { name: row.name, contact: row.contact, removed: row.removed === 1 }
  }

  /** Whether somebody of this name answers. */
  answers(name: string): boolean {
    return this.byName(name)?.removed === false
  }

  put(name: string, contact: string): void {
    this.#statements.query('INSERT OR REPLACE INTO owners (name, contact, removed) VALUES (?, ?, 0)').run(name, contact)
  }

  remove(name: string): void {
    this.#statements.query('UPDATE owners SET removed = 1 WHERE name = ?').run(name)
  }

  shares(): OwnerShare[] {
    return this.#statements
      .query<OwnerRow & { entries: number; roles: number; grants: number }>(
        `SELECT name, contact, removed, (SELECT count(*) FROM entries WHERE entries.owner = name AND entries.owner <> '') AS entries,
           (SELECT count(*) FROM roles WHERE roles.owner = owners.name AND deleted = 0) AS roles, (SELECT count(*) FROM grants WHERE grants.owner = owners.name AND live = 1) AS grants
         FROM owners ORDER BY name`,
      )
      .all()
      .map(({ removed, ...row }) => ({ ...row, removed: removed === 1 }))
  }

  /** Entries, roles and live grants whose owner is empty, unknown or removed. */
  unowned(limit: number): string[] {
    const nobody = 'owner NOT IN (SELECT name FROM owners WHERE removed = 0)'
    return this.#statements
      .query<{ what: string }>(
        `SELECT 'entry ' || id AS what FROM entries WHERE ${nobody} UNION ALL SELECT 'role ' || name FROM roles WHERE deleted = 0 AND ${nobody}
         UNION ALL SELECT 'grant ' || id FROM grants WHERE live = 1 AND ${nobody} ORDER BY what LIMIT ?`,
      )
      .all(limit)
      .map(({ what }) => what)
  }
}

/** People with their keys, and the signatures that were spent. */
export class PeopleTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byName(name: string): Person | undefined {
    return bodyOf(this.#statements.query<Body<Person>>('SELECT body FROM people WHERE name = ?').one(name))
  }

  all(): Person[] {
    return bodiesOf(this.#statements.query<Body<Person>>('SELECT body FROM people ORDER BY name').all())
  }

  holderOfKey(sshKey: string): string | undefined {
    return this.#statements.query<{ name: string }>('SELECT name FROM person_keys WHERE ssh_key = ?').one(sshKey)?.name
  }

  put(person: Person): void {
    this.remove(person.name)
    this.#statements.query('INSERT INTO people (name, body) VALUES (?, ?)').run(person.name, JSON.stringify(person))
    for (const key of person.sshKeys) this.#statements.query('INSERT INTO person_keys (ssh_key, name) VALUES (?, ?)').run(key, person.name)
  }

  remove(name: string): void {
    this.#statements.query('DELETE FROM people WHERE name = ?').run(name)
    this.#statements.query('DELETE FROM person_keys WHERE name = ?').run(name)
  }

  /** Whether this signature was used before, or this person has signed this before. */
  isSpent(approver: string, signedHash: string, signature: string): boolean {
    return this.#statements.query('SELECT 1 FROM spent_signatures WHERE hash = ? OR (approver = ? AND signed_hash = ?)').one(signatureHash(signature), approver, signedHash) !== undefined
  }

  spend(approver: string, signedHash: string, signature: string): void {
    this.#statements.query('INSERT INTO spent_signatures (hash, approver, signed_hash) VALUES (?, ?, ?)').run(signatureHash(signature), approver, signedHash)
  }
}

/** Policies as they were applied, and exceptions. */
export class PolicyTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  current(): PolicyVersion | undefined {
    return this.history(1)[0]
  }

  /** The latest first. */
  history(limit: number): PolicyVersion[] {
    return bodiesOf(this.#statements.query<Body<PolicyVersion>>('SELECT body FROM policies ORDER BY version DESC LIMIT ?').all(limit))
  }

  byHash(hash: string): PolicyVersion | undefined {
    return bodyOf(this.#statements.query<Body<PolicyVersion>>('SELECT body FROM policies WHERE hash = ? ORDER BY version DESC LIMIT 1').one(hash))
  }

  add(policy: PolicyVersion): void {
    this.#statements.query('INSERT INTO policies (version, hash, body) VALUES (?, ?, ?)').run(policy.version, policy.hash, JSON.stringify(policy))
  }

  hasException(id: string): boolean {
    return this.#statements.query('SELECT 1 FROM exceptions WHERE id = ?').one(id) !== undefined
  }

  exceptions(): PolicyException[] {
    return bodiesOf(this.#statements.query<Body<PolicyException>>('SELECT body FROM exceptions ORDER BY id').all())
  }

  putException(exception: PolicyException): void {
    this.#statements.query('INSERT INTO exceptions (id, body) VALUES (?, ?)').run(exception.id, JSON.stringify(exception))
  }

  removeException(id: string): void {
    this.#statements.query('DELETE FROM exceptions WHERE id = ?').run(id)
  }
}

/** A row that holds one thing as JSON. */
interface Body<T> {
  readonly type?: T
  readonly body: string
}

interface OwnerRow {
  readonly name: string
  readonly contact: string
  readonly removed: number
}

/** Of the armoured text, however its lines are broken. */
function signatureHash(signature: string): Uint8Array {
  return createHash('sha256').update(signature.replaceAll(/\s/g, '')).digest()
}

function bodyOf<T>(row: Body<T> | undefined): T | undefined {
  return row === undefined ? undefined : (JSON.parse(row.body) as T) // the table's put() made it
}

function bodiesOf<T>(rows: readonly Body<T>[]): T[] {
  return rows.map((row) => JSON.parse(row.body) as T) // as above
}
