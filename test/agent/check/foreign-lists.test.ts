import { expect, test } from 'vitest'
import { ForeignLists } from '../../../agent/check/foreign-lists.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { encodePem } from '../../../src/x509/pem.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { authority, nowMs } from '../../support/verify/certificates.ts'
import { revocationList } from '../../support/verify/lists.ts'

const trustDomain = parseTrustDomain('partner.example')
const [one, two, stranger] = [authority('one'), authority('two'), authority('stranger')]
const listOf = (issuer: typeof one, ...serials: readonly number[]): Uint8Array => revocationList(issuer, { serials: serials.map((serial) => Uint8Array.of(serial)) })
const pem = (...ders: readonly Uint8Array[]): Uint8Array => new TextEncoder().encode(ders.map((der) => encodePem('X509 CRL', der)).join(''))

class World {
  readonly clock = new FakeClock(nowMs)
  readonly log = new KeptLog()
  bytes: Uint8Array | undefined
  authorities: readonly Uint8Array[] = [one.der, two.der]
  readonly start = async (): Promise<ForeignLists> => await ForeignLists.start(trustDomain, '/lists', { clock: this.clock, log: this.log, readBytes: async () => this.bytes, authorities: () => this.authorities })

  async later(): Promise<void> {
    await this.clock.advance(10_000)
    await settle()
  }

  get events(): readonly unknown[] {
    return this.log.facts.map(({ event }) => event)
  }
}

test('a file of lists, PEM or DER, is read again every ten seconds; a list that no authority of the bundle signed is left out', async () => {
  const world = new World()
  world.bytes = pem(listOf(one, 5), listOf(stranger, 6), listOf(two))
  await using lists = await world.start()
  expect(lists.current.map(({ authorityId }) => authorityId)).toEqual([one.id, two.id])
  expect(lists.current[0]?.lists(Uint8Array.of(5))).toBe(true)
  world.bytes = listOf(one, 7)
  await world.later()
  expect(lists.current.map((list) => [list.lists(Uint8Array.of(5)), list.lists(Uint8Array.of(7))])).toEqual([[false, true]])
  await world.later()
  expect(world.events).toEqual(['check.lists_read', 'check.lists_read'])
})

test('a file that is gone, damaged or of strangers alone changes nothing, and is told of once', async () => {
  const world = new World()
  world.bytes = listOf(one, 5)
  await using lists = await world.start()
  for (const bad of [undefined, Uint8Array.of(0x30, 1), new TextEncoder().encode('nothing'), listOf(stranger), new Uint8Array(0)]) {
    world.bytes = bad
    await world.later()
    await world.later()
    expect(lists.current).toHaveLength(1)
  }
  expect(world.events).toEqual(['check.lists_read', ...Array.from({ length: 5 }, () => 'check.lists_unread')])
  world.bytes = listOf(one, 8)
  await world.later()
  expect(lists.current[0]?.lists(Uint8Array.of(8))).toBe(true)
})

test('a list that is older than the one before does not take its place', async () => {
  const world = new World()
  world.bytes = revocationList(one, { serials: [Uint8Array.of(5)], thisUpdateMs: nowMs - 1_000 })
  await using lists = await world.start()
  world.bytes = pem(revocationList(one, { serials: [], thisUpdateMs: nowMs - 2_000 }), listOf(two, 6))
  await world.later()
  expect(lists.current.map((list) => [list.authorityId, list.lists(Uint8Array.of(5))])).toEqual([[one.id, true], [two.id, false]])
})

test('lists wait for the bundle, and are looked at anew when it changes', async () => {
  const world = new World()
  world.bytes = pem(listOf(one), listOf(two))
  world.authorities = []
  await using lists = await world.start()
  await world.clock.advance(5_000)
  expect([lists.current, world.events]).toEqual([[], []])
  world.authorities = [one.der]
  await world.clock.advance(250)
  await settle()
  expect(lists.current.map(({ authorityId }) => authorityId)).toEqual([one.id])
  world.authorities = [one.der, two.der]
  await world.later()
  expect(lists.current).toHaveLength(2)
  world.authorities = []
  await world.clock.advance(60_000)
  expect(lists.current, 'what they ended stays so').toHaveLength(2)
  expect(world.events).toEqual(['check.lists_read', 'check.lists_read', 'check.lists_unread'])
})
