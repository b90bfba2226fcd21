import { minuteOf } from '../../../src/core/serial.ts'

/** What the store should do, written the slow and obvious way: arrays that are searched. One SPIFFE ID, `/workload/<n>`, for each entry n. */
export class StoreModel {
  nowMs: number
  prunedBeforeMs = 0
  readonly entries: Map<number, { owner: string }> = new Map()
  readonly agents: Map<number, { banned: boolean }> = new Map()
  readonly disabled: Set<string> = new Set()
  readonly denied: Set<number> = new Set()
  readonly rows: ModelRow[] = []
  readonly indices: Map<number, number> = new Map()
  readonly bits: Map<string, number> = new Map()
  events = 0

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  create(entry: number, owner: string): boolean {
    if (this.entries.has(entry)) return false
    this.entries.set(entry, { owner })
    return true
  }

  delete(entry: number): boolean {
    if (!this.entries.delete(entry)) return false
    this.end(this.revocable((row) => row.entry === entry), 'revoked', true)
    return true
  }

  attest(agent: number): string {
    if (this.agents.get(agent)?.banned === true) return 'AGENT_BANNED'
    if (this.disabled.has(`agent ${agent}`)) return 'TARGET_DISABLED'
    this.agents.set(agent, { banned: false })
    return 'OK'
  }

  remove(agent: number, how: 'ban' | 'delete'): number | undefined {
    const known = this.agents.get(agent)
    if (known === undefined) return undefined
    const hits = this.revocable((row) => row.agent === agent)
    this.end(hits, 'revoked', true)
    if (how === 'ban') known.banned = true
    else this.agents.delete(agent)
    return hits.length
  }

  reserve(request: ModelRequest): string {
    const { entry, agent, key, lifeMs } = request
    const terms = this.entries.get(entry)
    if (terms === undefined) return 'NOT_FOUND'
    if (this.disabled.has(`entry ${entry}`)) return 'TARGET_DISABLED'
    const by = this.agents.get(agent)
    if (by === undefined) return 'NOT_FOUND'
    if (by.banned) return 'AGENT_BANNED'
    if (this.disabled.has(`agent ${agent}`) || this.disabled.has(`id ${entry}`) || this.disabled.has(`owner ${terms.owner}`)) return 'TARGET_DISABLED'
    if (this.denied.has(key) || this.rows.some((row) => row.key === key && (row.entry !== entry || row.agent !== agent))) return 'KEY_DENIED'
    const notAfterMs = this.nowMs + lifeMs
    const minute = minuteOf(notAfterMs)
    const index = this.indices.get(minute) ?? 0
    this.indices.set(minute, index + 1)
    this.rows.push({ entry, agent, key, owner: terms.owner, notAfterMs, minute, index, state: 'reserved' })
    return 'OK'
  }

  row(at: number): ModelRow | undefined {
    return this.rows[at % Math.max(this.rows.length, 1)]
  }

  supersede(row: ModelRow): number {
    const hits = this.live((other) => other === row)
    this.end(hits, 'superseded', false)
    return hits.length
  }

  abandon(): number {
    const hits = this.rows.filter((row) => row.state === 'reserved')
    this.end(hits, 'abandoned', false)
    return hits.length
  }

  /** The hits, or why not. */
  revoke(kind: ModelKind, name: string, rotate: boolean): number | 'NOT_FOUND' {
    if (!this.exists(kind, name)) return 'NOT_FOUND'
    const under = (row: ModelRow): boolean => kindOf(row, kind) === name
    const hits = rotate ? this.live(under) : this.revocable(under)
    this.end(hits, rotate ? 'superseded' : 'revoked', !rotate)
    if (!rotate) this.disabled.add(`${kind} ${name}`)
    return hits.length
  }

  enable(kind: ModelKind, name: string): boolean {
    return this.disabled.delete(`${kind} ${name}`)
  }

  prune(): number {
    const gone = this.rows.filter((row) => row.notAfterMs < this.nowMs).length
    if (gone === 0) return 0
    this.rows.splice(0, this.rows.length, ...this.rows.filter((row) => row.notAfterMs >= this.nowMs))
    for (const place of this.bits.keys()) if (Number(place.split(' ')[0]) < minuteOf(this.nowMs) - 5) this.bits.delete(place)
    return gone
  }

  live(under: (row: ModelRow) => boolean): ModelRow[] {
    return this.rows.filter((row) => under(row) && (row.state === 'reserved' || row.state === 'released') && row.notAfterMs > this.nowMs)
  }

  revocable(under: (row: ModelRow) => boolean): ModelRow[] {
    return this.rows.filter((row) => under(row) && row.state !== 'revoked' && row.notAfterMs > this.nowMs)
  }

  private exists(kind: ModelKind, name: string): boolean {
    if (this.disabled.has(`${kind} ${name}`)) return true
    if (kind === 'agent') return this.agents.has(Number(name))
    if (kind === 'entry') return this.entries.has(Number(name))
    if (kind === 'id') return this.entries.has(Number(name)) || this.rows.some((row) => String(row.entry) === name)
    return [...this.entries.values()].some((entry) => entry.owner === name) || this.rows.some((row) => row.owner === name)
  }

  private end(rows: readonly ModelRow[], state: 'superseded' | 'revoked' | 'abandoned', deny: boolean): void {
    for (const row of rows) {
      row.state = state
      if (deny) this.denied.add(row.key)
      const place = `${row.minute} ${row.index}`
      this.bits.set(place, (this.bits.get(place) ?? 0) | (state === 'revoked' ? 2 : 1))
      this.events += 1
    }
  }
}

export type ModelKind = 'entry' | 'id' | 'agent' | 'owner'

export interface ModelRequest {
  readonly entry: number
  readonly agent: number
  readonly key: number
  readonly lifeMs: number
}

export interface ModelRow {
  readonly entry: number
  readonly agent: number
  readonly key: number
  readonly owner: string
  readonly notAfterMs: number
  readonly minute: number
  readonly index: number
  state: 'reserved' | 'released' | 'superseded' | 'revoked' | 'abandoned'
}

function kindOf(row: ModelRow, kind: ModelKind): string {
  return kind === 'owner' ? row.owner : String(kind === 'agent' ? row.agent : row.entry)
}
