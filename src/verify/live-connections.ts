import type { ChainFacts } from '../core/revocation/check.ts'
import type { RevocationEvent } from '../core/revocation/codec.ts'
import { toHex } from '../core/bytes.ts'
import { decodeSerial, minuteOf } from '../core/serial.ts'
import { grantPrefixesOf } from '../core/task.ts'
import type { RevokedChange } from './reader.ts'
import type { RevocationChecker } from './checker.ts'

/** Why a connection is cut. `unindexed`: the issuer was restored, and does not know the authority under which this peer was accepted. `unsure`: see {@link WhenUnsure}. */
export type CutReason = 'revoked' | 'authority_revoked' | 'unindexed' | 'unsure'

export interface RevocationSource extends RevocationChecker {
  onRevoked(listener: (change: RevokedChange) => void): Disposable
}

/** What becomes of a connection whose peer's credential has expired, when events were missed that may have ended the peer: for `strict` and `standard` it is cut, since no bit is left to tell. */
export type WhenUnsure = 'cut' | 'stays'

interface Connection {
  readonly facts: ChainFacts
  /** Whether this source listed its authority when it was accepted; where it did not, another knows its revocations (`elsewhere`). */
  readonly isIndexed: boolean
  readonly unsure: WhenUnsure
  readonly cut: (reason: CutReason) => void
}

/** Open connections by the serial of their peer and by the grants that it hangs on, so that a revocation cuts exactly those that it ends, and a restore those that its issuer no longer knows. A superseded peer's stay, and so do those of one whose credential has expired, for as long as nobody ends the peer. */
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
  add(facts: ChainFacts, cut: (reason: CutReason) => void, unsure: WhenUnsure = 'stays'): Disposable {
    const connection: Connection = { facts, isIndexed: this.#source.check(facts).kind !== 'unindexed', unsure, cut }
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
    if (change.kind === 'everything') {
      for (const connection of this.#all) this.#checkAgain(connection, connection.unsure)
      return
    }
    for (const event of change.events) {
      for (const connection of event.kind === 'authority_revoked' ? this.#all : (this.#byPlace.get(placeOfEvent(event)) ?? [])) {
        if (endsExpired(event, connection.facts)) this.#cut(connection, 'revoked')
        else this.#checkAgain(connection)
      }
    }
  }

  /** @param expired what becomes of it when its bucket is gone */
  #checkAgain(connection: Connection, expired: WhenUnsure = 'stays'): void {
    const { kind } = this.#source.check(connection.facts)
    if (kind === 'revoked' || kind === 'authority_revoked' || (kind === 'unindexed' && connection.isIndexed)) this.#cut(connection, kind)
    else if (kind === 'expired' && expired === 'cut') this.#cut(connection, 'unsure')
  }

  #cut(connection: Connection, reason: CutReason): void {
    this.#remove(connection)
    connection.cut(reason)
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
  return [place === undefined ? toHex(serial) : `${place.shard}:${place.minute}:${place.index}`, ...grantPrefixesOf(id), id]
}

/** Bits end what has not expired; these two end connections that were made with what has. */
function endsExpired(event: RevocationEvent, { notAfterMs }: ChainFacts): boolean {
  return event.kind === 'prefix_closed' || (event.kind === 'identity_ended' && minuteOf(notAfterMs) <= event.minute)
}

function placeOfEvent(event: RevocationEvent): string {
  if ('shard' in event) return `${event.shard}:${event.minute}:${event.index}`
  if (event.kind === 'identity_ended') return event.id
  return event.kind === 'prefix_closed' ? event.prefix : event.authorityId
}
