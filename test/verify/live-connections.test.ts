import { expect, test } from 'vitest'
import type { ChainFacts, CheckOutcome } from '../../src/core/revocation/check.ts'
import type { RevocationEvent } from '../../src/core/revocation/codec.ts'
import { RevocationSet } from '../../src/core/revocation/set.ts'
import { encodeSerial } from '../../src/core/serial.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { LiveConnections, type CutReason, type RevocationSource } from '../../src/verify/live-connections.ts'
import type { RevokedChange } from '../../src/verify/reader.ts'

const [known, forgotten, partners] = ['a1', 'b2', 'c3'].map((byte) => byte.repeat(32))
const minute = 29_900_000

/** Knows what its set says, and takes another set as a restored server's snapshot gives it. */
class Source implements RevocationSource {
  set = new RevocationSet()
  readonly #listeners = new Set<(change: RevokedChange) => void>()

  check(facts: ChainFacts): CheckOutcome {
    return this.set.check(facts)
  }

  freshness(): undefined {
    return undefined
  }

  onRevoked(listener: (change: RevokedChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  say(...events: readonly RevocationEvent[]): void {
    for (const event of events) this.set.apply(event)
    for (const listener of this.#listeners) listener({ kind: 'revoked', events })
  }

  /** The set of a new epoch, which lists these authorities. */
  replace(...listed: readonly (string | undefined)[]): void {
    const { floorMinute } = this.set
    this.set = new RevocationSet()
    this.set.dropBelow(floorMinute)
    for (const authorityId of listed) if (authorityId !== undefined) this.set.apply({ kind: 'authority_indexed', authorityId })
    for (const listener of this.#listeners) listener({ kind: 'everything' })
  }
}

function peerUnder(authorityId = '', path = '/web', at = minute): ChainFacts {
  const serial = encodeSerial({ shard: 1, minute: at, index: 7, random: new Uint8Array(8) })
  return { id: parseSpiffeId(`spiffe://example.org${path}`), serial, notAfterMs: at * 60_000, authorityId, aboveIds: [] }
}

test('a connection under an authority that a restored server no longer lists is cut, one under an authority that it lists stays', () => {
  const source = new Source()
  source.replace(known, forgotten)
  using connections = new LiveConnections(source)
  const cuts: (readonly [string, CutReason])[] = []
  connections.add(peerUnder(known), (reason) => cuts.push(['known', reason]))
  connections.add(peerUnder(forgotten), (reason) => cuts.push(['forgotten', reason]))
  source.replace(known)
  expect(cuts).toEqual([['forgotten', 'unindexed']])
  expect(connections.size).toBe(1)
})

test('a connection that was accepted on the word of another, whose authority this source never listed, is that one’s to cut', () => {
  const source = new Source()
  source.replace(known)
  using connections = new LiveConnections(source)
  connections.add(peerUnder(partners), () => expect.unreachable())
  source.replace(known, forgotten)
  expect(connections.size).toBe(1)
})

test('a connection that was made with a credential which has expired is cut when its identity ends, or its grant; those of others and of newer credentials stay', () => {
  const source = new Source()
  source.replace(known)
  using connections = new LiveConnections(source)
  const cuts: string[] = []
  const open = (name: string, path: string, at: number): void => void connections.add(peerUnder(known, path, at), (reason) => cuts.push(`${name} ${reason}`))
  open('long over', '/web', minute - 600)
  open('just over', '/web', minute)
  open('live', '/web', minute + 5)
  open('other', '/db', minute - 600)
  open('task', '/bot/task/1', minute - 600)
  open('child', '/bot/task/1/sub/2', minute - 600)
  source.set.dropBelow(minute - 5)
  source.say({ kind: 'identity_ended', id: parseSpiffeId('spiffe://example.org/web'), minute })
  expect(cuts).toEqual(['long over revoked', 'just over revoked'])
  source.say({ kind: 'prefix_closed', prefix: parseSpiffeId('spiffe://example.org/bot/task/1'), minute })
  expect(cuts.slice(2).toSorted()).toEqual(['child revoked', 'task revoked'])
  expect(connections.size).toBe(2)
})

test('when events may have been missed, what has expired is cut where that was asked for, and stays elsewhere', () => {
  const source = new Source()
  source.replace(known)
  using connections = new LiveConnections(source)
  const cuts: string[] = []
  for (const unsure of ['cut', 'stays'] as const) {
    connections.add(peerUnder(known, '/web', minute - 600), (reason) => cuts.push(`${unsure} ${reason}`), unsure)
    connections.add(peerUnder(known, '/web', minute), () => expect.unreachable(), unsure)
  }
  source.set.dropBelow(minute - 5)
  source.say({ kind: 'authority_revoked', authorityId: forgotten ?? '' })
  expect(cuts).toEqual([])
  source.replace(known)
  expect(cuts).toEqual(['cut unsure'])
  expect(connections.size).toBe(3)
})
