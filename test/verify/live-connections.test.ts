import { expect, test } from 'vitest'
import type { ChainFacts, CheckOutcome } from '../../src/core/revocation/check.ts'
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

  /** The set of a new epoch, which lists these authorities. */
  replace(...listed: readonly (string | undefined)[]): void {
    this.set = new RevocationSet()
    for (const authorityId of listed) if (authorityId !== undefined) this.set.apply({ kind: 'authority_indexed', authorityId })
    for (const listener of this.#listeners) listener({ kind: 'everything' })
  }
}

function peerUnder(authorityId = ''): ChainFacts {
  const serial = encodeSerial({ shard: 1, minute, index: 7, random: new Uint8Array(8) })
  return { id: parseSpiffeId('spiffe://example.org/web'), serial, notAfterMs: minute * 60_000, authorityId, aboveIds: [] }
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
