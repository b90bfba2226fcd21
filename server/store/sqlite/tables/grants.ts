import { isOver, type Decision, type Grant } from '../../../../src/core/grant/grant.ts'
import type { RecordedDecision, TakenStep } from '../../grant-model.ts'
import type { Statements } from '../query.ts'

/** A condition on grants, with its values; written by the code, never by a caller. */
export interface GrantCondition {
  readonly sql: string
  readonly values: readonly (string | number | Uint8Array)[]
}

/** Grants, the steps taken in them, and what was decided of them. A grant is kept as JSON, with what is searched by beside it. */
export class GrantTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byId(id: string): Grant | undefined {
    const row = this.#statements.query<GrantRow>('SELECT id, body FROM grants WHERE id = ?').one(id)
    return row === undefined ? undefined : grantOf(row)
  }

  /** With the process that asked and the owner of that time, as it was signed. */
  asRequested(id: string): Grant | undefined {
    const row = this.#statements.query<GrantRow & { asker: string; asked_owner: string }>('SELECT id, body, asker, asked_owner FROM grants WHERE id = ?').one(id)
    return row === undefined ? undefined : { ...grantOf(row), instance: row.asker, owner: row.asked_owner }
  }

  has(spiffeId: string): boolean {
    return this.#statements.query('SELECT 1 FROM grants WHERE spiffe_id = ?').one(spiffeId) !== undefined
  }

  insert(grant: Grant): void {
    this.#statements
      .query(
        `INSERT INTO grants (id, spiffe_id, root_id, parent_id, role, owner, agent_id, requester, instance, state, live, requested_at_ms, lapses_at_ms, deadline_ms, ended_at_ms, body, asker, asked_owner)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        grant.id, grant.spiffeId, grant.rootId, grant.parentId, grant.role, grant.owner, grant.agentId, grant.requester, grant.instance, grant.state,
        isOver(grant.state) ? 0 : 1, grant.requestedAtMs, grant.lapsesAtMs, grant.deadlineMs, grant.endedAtMs, JSON.stringify(grant), grant.instance, grant.owner,
      )
  }

  /** Writes no more than what changed: each column that is searched by costs an index. */
  update(before: Grant, grant: Grant): void {
    const body = JSON.stringify(grant)
    if (before.owner !== grant.owner || before.instance !== grant.instance || isOver(before.state) !== isOver(grant.state)) {
      this.#statements
        .query('UPDATE grants SET owner = ?, instance = ?, state = ?, live = ?, deadline_ms = ?, ended_at_ms = ?, body = ? WHERE id = ?')
        .run(grant.owner, grant.instance, grant.state, isOver(grant.state) ? 0 : 1, grant.deadlineMs, grant.endedAtMs, body, grant.id)
    } else if (before.state !== grant.state || before.deadlineMs !== grant.deadlineMs || before.endedAtMs !== grant.endedAtMs) {
      this.#statements.query('UPDATE grants SET state = ?, deadline_ms = ?, ended_at_ms = ?, body = ? WHERE id = ?').run(grant.state, grant.deadlineMs, grant.endedAtMs, body, grant.id)
    } else {
      this.#statements.query('UPDATE grants SET body = ? WHERE id = ?').run(body, grant.id)
    }
  }

  /** In the order of their IDs. */
  list(condition: GrantCondition, limit: number): Grant[] {
    return this.rows(condition, limit).map(grantOf)
  }

  rows({ sql, values }: GrantCondition, limit: number): GrantRow[] {
    return this.#statements.query<GrantRow>(`SELECT id, body FROM grants WHERE ${sql} ORDER BY id LIMIT ?`).all(...values, limit)
  }

  /** Parents before their children, one after the other: for what may be many. */
  *each({ sql, values }: GrantCondition): Generator<Grant> {
    // a parent's ID is shorter than its children's
    const rows = this.#statements.query<GrantRow>(`SELECT id, body FROM grants WHERE ${sql} ORDER BY length(spiffe_id), rowid`).each(...values)
    for (const row of rows) yield grantOf(row)
  }

  count({ sql, values }: GrantCondition): number {
    return this.#statements.query<{ n: number }>(`SELECT count(*) AS n FROM grants WHERE ${sql}`).one(...values)?.n ?? 0
  }

  /** Those at any depth below it that are not over, parents before their children. */
  below(grant: Pick<Grant, 'spiffeId'>): Grant[] {
    // '0' is the character after '/'; a parent's ID is shorter than its children's
    return this.#statements
      .query<GrantRow>('SELECT id, body FROM grants WHERE spiffe_id > ? AND spiffe_id < ? AND live = 1 ORDER BY length(spiffe_id), spiffe_id')
      .all(`${grant.spiffeId}/sub/`, `${grant.spiffeId}/sub0`)
      .map(grantOf)
  }

  addStep(step: TakenStep): void {
    this.#statements.query('INSERT INTO steps (grant_id, body) VALUES (?, ?)').run(step.grantId, JSON.stringify(step))
  }

  /** After the given number, with their numbers. */
  steps(grantId: string, after: number, limit: number): { readonly seq: number; readonly body: string }[] {
    return this.#statements.query<{ seq: number; body: string }>('SELECT seq, body FROM steps WHERE grant_id = ? AND seq > ? ORDER BY seq LIMIT ?').all(grantId, after, limit)
  }

  addDecision(grantId: string, decision: Decision, asked: string): void {
    this.#statements.query('INSERT INTO decisions (grant_id, at_ms, asked, body) VALUES (?, ?, ?, ?)').run(grantId, decision.atMs, asked, JSON.stringify(decision))
  }

  decisions(grantId: string): RecordedDecision[] {
    return this.#statements.query<DecisionRow>('SELECT seq, grant_id, asked, body FROM decisions WHERE grant_id = ? ORDER BY seq').all(grantId).map(decisionOf)
  }

  /** Of all grants, after the given number: those that know what was asked. */
  decisionsSince(sinceMs: number, after: number, limit: number): { readonly seq: number; readonly decision: RecordedDecision }[] {
    return this.#statements
      .query<DecisionRow>("SELECT seq, grant_id, asked, body FROM decisions WHERE seq > ? AND at_ms >= ? AND asked <> '' ORDER BY seq LIMIT ?")
      .all(after, sinceMs, limit)
      .map((row) => ({ seq: row.seq, decision: decisionOf(row) }))
  }

  dropBefore(ms: number): void {
    const gone = 'SELECT id FROM grants WHERE live = 0 AND ended_at_ms < ?'
    this.#statements.query(`DELETE FROM steps WHERE grant_id IN (${gone})`).run(ms)
    this.#statements.query(`DELETE FROM decisions WHERE grant_id IN (${gone})`).run(ms)
    this.#statements.query('DELETE FROM grants WHERE live = 0 AND ended_at_ms < ?').run(ms)
  }
}

export interface GrantRow {
  readonly id: string
  readonly body: string
}

interface DecisionRow {
  readonly seq: number
  readonly grant_id: string
  readonly asked: string
  readonly body: string
}

function grantOf(row: GrantRow): Grant {
  return JSON.parse(row.body) as Grant // insert() or update() made it
}

function decisionOf(row: DecisionRow): RecordedDecision {
  return { grantId: row.grant_id, decision: JSON.parse(row.body) as Decision, asked: row.asked } // addDecision() made it
}
