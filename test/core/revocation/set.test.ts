import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChainFacts } from '../../../src/core/revocation/check.ts'
import { maxIndex, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { floorMinuteAt, RevocationSet } from '../../../src/core/revocation/set.ts'
import { encodeSerial } from '../../../src/core/serial.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { sha256 } from '../../support/revocation/sim-stream.ts'
import { anyEvent, grantIds } from './arbitraries.ts'

const authorityId = 'aa'.repeat(32)
const plainId = parseSpiffeId('spiffe://td/web')

function facts(minute: number, index: number, overrides: Partial<ChainFacts> = {}): ChainFacts {
  return { id: plainId, serial: encodeSerial({ shard: 1, minute, index, random: new Uint8Array(8) }), notAfterMs: minute * 60_000 + 5_000, authorityId, aboveIds: [], ...overrides }
}

function indexed(...events: readonly RevocationEvent[]): RevocationSet {
  return setOf([{ kind: 'authority_indexed', authorityId }, ...events])
}

function setOf(events: readonly RevocationEvent[]): RevocationSet {
  const set = new RevocationSet()
  for (const event of events) set.apply(event)
  return set
}

describe('a check', () => {
  test('tells good, superseded and revoked apart, and revoked outweighs superseded', () => {
    const set = indexed({ kind: 'superseded', shard: 1, minute: 100, index: 1 }, { kind: 'revoked', shard: 1, minute: 100, index: 2 })
    expect([0, 1, 2].map((index) => set.check(facts(100, index)).kind)).toEqual(['good', 'superseded', 'revoked'])
    set.apply({ kind: 'revoked', shard: 1, minute: 100, index: 1 })
    expect(set.check(facts(100, 1)).kind).toBe('revoked')
    expect(set.check(facts(101, 1)).kind).toBe('good')
  })

  test('a serial counts only under an indexed authority', () => {
    expect(new RevocationSet().check(facts(100, 0))).toEqual({ kind: 'unindexed', authorityId })
    expect(indexed().check(facts(100, 0, { authorityId: 'bb'.repeat(32) })).kind).toBe('unindexed')
  })

  test('a revoked authority anywhere in the chain ends what is below it', () => {
    const set = indexed({ kind: 'authority_revoked', authorityId: 'cc'.repeat(32) })
    expect(set.check(facts(100, 0)).kind).toBe('good')
    expect(set.check(facts(100, 0, { aboveIds: ['bb'.repeat(32), 'cc'.repeat(32)] }))).toEqual({ kind: 'authority_revoked', authorityId: 'cc'.repeat(32) })
    set.apply({ kind: 'authority_revoked', authorityId })
    expect(set.check(facts(100, 0)).kind).toBe('authority_revoked')
  })

  test('a serial that is not the one for its notAfter is malformed', () => {
    const set = indexed()
    expect(set.check(facts(100, 0, { notAfterMs: 101 * 60_000 })).kind).toBe('malformed')
    expect(set.check(facts(100, 0, { notAfterMs: 100 * 60_000 - 1 })).kind).toBe('malformed')
    expect(set.check(facts(100, 0, { notAfterMs: 100 * 60_000 + 59_999 })).kind).toBe('good')
    expect(set.check(facts(100, maxIndex + 1)).kind).toBe('malformed')
    for (const serial of [new Uint8Array(0), new Uint8Array(16), new Uint8Array(17), Uint8Array.from([128, ...new Uint8Array(16)])]) {
      expect(set.check({ id: plainId, serial, notAfterMs: 0, authorityId, aboveIds: [] }).kind).toBe('malformed')
    }
  })

  test('a serial whose bucket is gone is expired, revoked or not, and stays so', () => {
    const set = indexed({ kind: 'revoked', shard: 1, minute: 100, index: 1 })
    set.dropBelow(101)
    expect(set.check(facts(100, 1)).kind).toBe('expired')
    expect(set.check(facts(100, 2)).kind).toBe('expired')
    expect(set.apply({ kind: 'revoked', shard: 1, minute: 100, index: 2 })).toBe(false)
    set.dropBelow(50)
    expect(set.check(facts(100, 1)).kind).toBe('expired')
    expect(set.check(facts(101, 1)).kind).toBe('good')
  })

  test('a closed prefix ends its own ID and all below it by whole segments, and nothing beside it', () => {
    const set = indexed({ kind: 'prefix_closed', prefix: parseSpiffeId('spiffe://td/a/task/1/sub/x'), minute: 100 }, { kind: 'superseded', shard: 1, minute: 100, index: 5 })
    const kindOf = (path: string, index = 0): string => set.check(facts(100, index, { id: parseSpiffeId(`spiffe://td${path}`) })).kind
    expect(['/a/task/1/sub/x', '/a/task/1/sub/x/sub/y', '/a/task/1/sub/x/more'].map((path) => kindOf(path))).toEqual(['revoked', 'revoked', 'revoked'])
    expect(['/a/task/1', '/a/task/1/sub/xx', '/a/task/1/sub/w', '/a', '/b/task/1/sub/x', '/a/task/1/x'].map((path) => kindOf(path))).toEqual(Array.from({ length: 6 }, () => 'good'))
    expect(kindOf('/a/task/1/sub/x', 5)).toBe('revoked')
    expect(set.check(facts(100, 1, { id: parseSpiffeId('spiffe://td/a/task/1/sub/x/sub/y') }))).toEqual({ kind: 'revoked', closedPrefix: 'spiffe://td/a/task/1/sub/x' })
  })

  test('a closed prefix goes when the floor passes its minute: what it ended is expired by then', () => {
    const id = parseSpiffeId('spiffe://td/a/task/1')
    const set = indexed({ kind: 'prefix_closed', prefix: id, minute: 102 })
    expect(set.apply({ kind: 'prefix_closed', prefix: id, minute: 101 })).toBe(false)
    set.dropBelow(102)
    expect(set.check(facts(102, 0, { id })).kind).toBe('revoked')
    set.dropBelow(103)
    expect(set.check(facts(102, 0, { id })).kind).toBe('expired')
    expect(set.figures().prefixes).toBe(0)
    expect(set.apply({ kind: 'prefix_closed', prefix: id, minute: 102 })).toBe(false)
  })

  test('a bucket is kept until five minutes past the end of its minute', () => {
    const endOfMinute = 101 * 60_000
    expect(floorMinuteAt(endOfMinute + 300_000 - 1)).toBe(100)
    expect(floorMinuteAt(endOfMinute + 300_000)).toBe(101)
    expect(floorMinuteAt(0)).toBe(0)
  })
})

describe('a set', () => {
  test('is the same whatever the order and number of the events: bits are only ever set', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), fc.infiniteStream(fc.nat()), (events, choices) => {
        const shuffled = [...events, ...events].map((event) => ({ event, order: choices.next().value ?? 0 })).sort((a, b) => a.order - b.order)
        expect(setOf(shuffled.map(({ event }) => event)).root(sha256)).toEqual(setOf(events).root(sha256))
      }),
    )
  })

  test('agrees with a naive set of strings on every place', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 100 }), (events) => {
        const set = indexed(...events.filter(({ kind }) => kind !== 'authority_revoked'))
        const closed = events.flatMap((event) => (event.kind === 'prefix_closed' ? [event.prefix] : []))
        for (const id of grantIds) expect(set.check(facts(107, 0, { id })).kind).toBe(closed.some((prefix) => id === prefix || id.startsWith(`${prefix}/`)) ? 'revoked' : 'good')
        const naive = new Set(events.map((event) => ('shard' in event ? `${event.kind} ${event.shard} ${event.minute} ${event.index}` : '')))
        for (let minute = 99; minute < 106; minute++) {
          for (let index = 0; index < 42; index++) {
            const expected = naive.has(`revoked 1 ${minute} ${index}`) ? 'revoked' : naive.has(`superseded 1 ${minute} ${index}`) ? 'superseded' : 'good'
            expect(set.check(facts(minute, index)).kind).toBe(expected)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  test('survives its snapshot, and has equal roots exactly when it is equal', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), anyEvent, fc.integer({ min: 0, max: 103 }), (events, more, floor) => {
        const set = setOf(events)
        set.root(sha256)
        set.dropBelow(floor)
        const copy = RevocationSet.fromSnapshot(set.snapshot())
        expect(copy.root(sha256)).toEqual(set.root(sha256))
        expect(copy.includes(set) && set.includes(copy)).toBe(true)
        const changed = copy.apply(more)
        expect(Buffer.from(copy.root(sha256)).equals(Buffer.from(set.root(sha256)))).toBe(!changed)
        expect(copy.includes(set)).toBe(true)
        expect(set.includes(copy)).toBe(!changed)
      }),
    )
  })
})

test('the root that is kept is the one that would be computed: after every event, floor and authority', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anyEvent, fc.integer({ min: 98, max: 106 })), { maxLength: 60 }), (steps) => {
      const set = new RevocationSet()
      for (const step of steps) {
        if (typeof step === 'number') set.dropBelow(step)
        else set.apply(step)
        expect(set.root(sha256)).toEqual(RevocationSet.fromSnapshot(set.snapshot()).root(sha256))
      }
    }),
  )
})
