import { afterEach, beforeEach, expect, test } from 'vitest'
import { ServerSvid } from '../../server/server-svid.ts'
import { serverIdOf } from '../../src/core/spiffe-id.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { nowMs, trustDomain } from '../support/verify/certificates.ts'

const lifeMs = 3_600_000

let clock: FakeClock
const vouchers: readonly Uint8Array[] = []
let issued: number
let authorityId: string
let changed: () => void
let svid: ServerSvid

beforeEach(async () => {
  clock = new FakeClock(nowMs)
  issued = 0
  authorityId = 'one'
  changed = () => undefined
  svid = await ServerSvid.start({
    spiffeId: serverIdOf(trustDomain),
    dnsNames: [],
    issuer: {
      issue: async (requests) => {
        issued++
        const { spiffeId } = requests[0] ?? { spiffeId: serverIdOf(trustDomain) }
        return [{ kind: 'issued', chain: [Uint8Array.of(issued)], serial: new Uint8Array(17), spiffeId, notBeforeMs: clock.nowMs() - 10_000, notAfterMs: clock.nowMs() + lifeMs, authorityId }]
      },
    },
    authorities: {
      active: () => ({ id: authorityId }),
      vouchers: () => vouchers,
      onChange: (listener) => {
        changed = listener
        return { [Symbol.dispose]: () => (changed = () => undefined) }
      },
    },
    clock,
    log: new KeptLog(),
  })
})

afterEach(async () => {
  await svid[Symbol.asyncDispose]()
  expect(clock.sleeping).toBe(0)
})

/** The SVIDs that came after the first, which may be shown again with other certificates beside it. */
function shown(): readonly (number | undefined)[] {
  const later: (number | undefined)[] = []
  svid.rotate(({ certificateChain: [leaf] }) => {
    if (leaf?.[0] !== 1) later.push(leaf?.[0])
  })
  return later
}

test('the SVID of the server is renewed at half of its life, give or take a tenth', async () => {
  const identities = shown()
  await clock.advance(0.35 * lifeMs)
  expect(identities).toEqual([])
  await clock.advance(0.3 * lifeMs)
  expect(identities).toEqual([2])
})

test('it is renewed at once when another authority signs', async () => {
  const identities = shown()
  await clock.advance(1_000)
  authorityId = 'two'
  changed()
  await clock.advance(0)
  expect(identities).toEqual([2])
})

test('it is renewed within seconds on a machine that slept past its end, though no timer ran out', async () => {
  const identities = shown()
  await clock.advance(1_000)
  clock.jump(2 * lifeMs)
  await clock.advance(10_500)
  expect(identities).toEqual([2])
})

test('one that was issued while the clock was ahead is replaced within seconds of its being set right', async () => {
  const identities = shown()
  clock.jump(2 * lifeMs)
  await clock.advance(10_500)
  expect(identities).toEqual([2])
  clock.jump(-2 * lifeMs)
  await clock.advance(10_500)
  expect(identities).toEqual([2, 3])
})
