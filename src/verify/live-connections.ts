import type { ChainFacts } from '../core/revocation/check.ts'
import type { RevocationEvent } from '../core/revocation/codec.ts'
import { toHex } from '../core/bytes.ts'
import { decodeSerial } from '../core/serial.ts'
import { grantPrefixesOf } from '../core/task.ts'
import type { RevokedChange } from './reader.ts'
import type { RevocationChecker } from './checker.ts'

/** Why a connection is cut. `unindexed`: the issuer was restored, and does not know the authority under which this peer was accepted. */
export type CutReason = 'revoked' | 'authority_revoked' | 'unindexed'

export interface RevocationSource extends RevocationChecker {
  onRevoked(listener: (change: RevokedChange) => void): Disposable
}

interface Connection {
  readonly facts: ChainFacts
  /** Whether this source listed its authority when it was accepted; where it did not, another knows its revocations (`elsewhere`). */
  readonly isIndexed: boolean
  readonly cut: (reason: CutReason) => void
}

/** Open connections by the serial of their peer and by the grants that it hangs on, so that a revocation cuts exactly those that it ends, and a restore those that its issuer no longer knows. A superseded peer's stay. */
export class LiveConnections implements Disposable {
  readonly #source: RevocationSource
  readonly #all = new Set<Connection>()
  readonly #byPlace = new Map<string, Set<Connection>>()
  readonly #subscription: Disposable

  constructor(source: RevocationSource) {
    this.#source = source
    this.#subscription = source.onRevoked((change) => this.#handle(change))
  }

  /**
   * Call it after the check that accepted: what was revoked in between is cut at once. In the same tick, because whom this source does not list now is taken for one that another speaks for.
   * @param cut ends the connection; called at most once. @returns to be disposed when the connection closed by itself
   */
  add(facts: ChainFacts, cut: (reason: CutReason) => void): Disposable {
    const connection: Connection = { facts, isIndexed: this.#source.check(facts).kind !== 'unindexed', cut }
    this.#all.add(connection)
    for (const place of placesOf(facts)) {
      const others = this.#byPlace.get(place) ?? new Set()
      this.#byPlace.set(place, others.add(connection))
    }
    this.#checkAgain(connection)
    return { [Symbol.dispose]: () => this.#remove(connection) }
  }

  get size(): number {
    return this.#all.size
  }

  /** Stops cutting; the connections stay open. */
  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]()
    this.#all.clear()
    this.#byPlace.clear()
  }

  #handle(change: RevokedChange): void {
    if (change.kind === 'everything' || change.events.some(({ kind }) => kind === 'authority_revoked')) {
      for (const connection of this.#all) this.#checkAgain(connection)
      return
    }
    for (const event of change.events) for (const connection of this.#byPlace.get(placeOfEvent(event)) ?? []) this.#checkAgain(connection)
  }

  #checkAgain(connection: Connection): void {
    const { kind } = this.#source.check(connection.facts)
    if (kind !== 'revoked' && kind !== 'authority_revoked' && !(kind === 'unindexed' && connection.isIndexed)) return
    this.#remove(connection)
    connection.cut(kind)
  }

  #remove(connection: Connection): void {
    this.#all.delete(connection)
    for (const place of placesOf(connection.facts)) {
      const connections = this.#byPlace.get(place)
      connections?.delete(connection)
      if (connections?.size === 0) this.#byPlace.delete(place)
    }
  }
}

function placesOf({ id, serial }: ChainFacts): readonly string[] {
  const place = decodeSerial(serial)
  return [place === undefined ? toHex(serial) : `${place.shard}:${place.minute}:${place.index}`, ...grantPrefixesOf(id)]
}

function placeOfEvent(event: RevocationEvent): string {
  if ('shard' in event) return `${event.shard}:${event.minute}:${event.index}`
  return event.kind === 'prefix_closed' ? event.prefix : event.authorityId
}
