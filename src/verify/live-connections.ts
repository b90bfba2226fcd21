import type { ChainFacts } from '../core/revocation/check.ts'
import type { RevocationEvent } from '../core/revocation/codec.ts'
import { toHex } from '../core/bytes.ts'
import { decodeSerial } from '../core/serial.ts'
import type { RevokedChange } from './reader.ts'
import type { RevocationChecker } from './verify-svid.ts'

/** Why a connection is cut. */
export type CutReason = 'revoked' | 'authority_revoked'

export interface RevocationSource extends RevocationChecker {
  onRevoked(listener: (change: RevokedChange) => void): Disposable
}

interface Connection {
  readonly facts: ChainFacts
  readonly cut: (reason: CutReason) => void
}

/** Open connections by the serial of their peer, so that a revocation cuts exactly those that it ends. A superseded peer's stay. */
export class LiveConnections implements Disposable {
  readonly #source: RevocationSource
  readonly #byPlace = new Map<string, Set<Connection>>()
  readonly #subscription: Disposable

  constructor(source: RevocationSource) {
    this.#source = source
    this.#subscription = source.onRevoked((change) => this.#handle(change))
  }

  /**
   * Call it right after the check that accepted, in the same tick or later: what was revoked in between is cut at once.
   * @param cut ends the connection; called at most once. @returns to be disposed when the connection closed by itself
   */
  add(facts: ChainFacts, cut: (reason: CutReason) => void): Disposable {
    const connection: Connection = { facts, cut }
    const place = placeOfFacts(facts)
    const others = this.#byPlace.get(place) ?? new Set()
    this.#byPlace.set(place, others.add(connection))
    this.#checkAgain(connection)
    return { [Symbol.dispose]: () => this.#remove(connection) }
  }

  get size(): number {
    let size = 0
    for (const connections of this.#byPlace.values()) size += connections.size
    return size
  }

  /** Stops cutting; the connections stay open. */
  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]()
    this.#byPlace.clear()
  }

  #handle(change: RevokedChange): void {
    const hasAuthority = change.kind === 'everything' || change.events.some(({ kind }) => kind === 'authority_revoked')
    const places = change.kind === 'everything' || hasAuthority ? this.#byPlace.keys() : change.events.map(placeOfEvent)
    for (const place of places) for (const connection of this.#byPlace.get(place) ?? []) this.#checkAgain(connection)
  }

  #checkAgain(connection: Connection): void {
    const { kind } = this.#source.check(connection.facts)
    if (kind !== 'revoked' && kind !== 'authority_revoked') return
    this.#remove(connection)
    connection.cut(kind)
  }

  #remove(connection: Connection): void {
    const place = placeOfFacts(connection.facts)
    const connections = this.#byPlace.get(place)
    connections?.delete(connection)
    if (connections?.size === 0) this.#byPlace.delete(place)
  }
}

function placeOfFacts({ serial }: ChainFacts): string {
  const place = decodeSerial(serial)
  return place === undefined ? toHex(serial) : `${place.shard}:${place.minute}:${place.index}`
}

function placeOfEvent(event: RevocationEvent): string {
  return 'shard' in event ? `${event.shard}:${event.minute}:${event.index}` : event.authorityId
}
