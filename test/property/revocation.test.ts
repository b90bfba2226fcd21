import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PromiseWorld, promiseIds, verifierCount } from '../support/revocation/promise-world.ts'

/** An answer that never comes, as far as this test goes. */
const unanswered = 86_400_000
const verifier = fc.nat({ max: verifierCount - 1 })
const id = fc.constantFrom(...promiseIds)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('issue' as const), id, ttlMs: fc.constantFrom(60_000, 300_000, 900_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('revoke' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const), id: fc.constantFrom(...promiseIds.slice(1)) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 9_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 60_000, max: 420_000 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('skew' as const), of: verifier, ms: fc.oneof(fc.integer({ min: -1_000, max: 1_000 }), fc.integer({ min: -40_000, max: 40_000 }), fc.constantFrom(-3_600_000, 86_400_000)) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lag' as const), of: verifier, ms: fc.constantFrom(0, 400, 2_500, 10_000, 40_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('replay' as const), of: verifier, relay: fc.nat({ max: 1 }), picks: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replaySnapshot' as const), of: verifier, pick: fc.nat() }) },
  // it gets the first of several events, late, and nothing after
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withhold' as const), of: verifier, at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resend' as const), of: verifier, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('measure' as const), of: verifier, outMs: fc.constantFrom(1, 300, 4_000, 9_000), backMs: fc.constantFrom(1, 300, 4_000, 9_000) }) },
  // whoever passes the stream on knows how far behind the clock is set, and holds it back by as much
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deceive' as const), of: verifier, ms: fc.constantFrom(3_000, 4_000, 6_000, 18_000), answerMs: fc.constantFrom(undefined, 100, 4_000, unanswered) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'mend' as const, 'suspend' as const, 'wake' as const, 'switch' as const), of: verifier }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), of: verifier, forgets: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cutRelay' as const, 'mendRelay' as const), relay: fc.nat({ max: 1 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'serve' as const, 'backUp' as const, 'restore' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** The sentence of design 6. Which verifiers it is said to, and that whoever is mended says what a naive list says, is in the world. */
test(
  'acknowledged + limit + 1 s: no fresh verifier accepts, over issue, revoke, renew, prefix, cut, delay, replay, suspension, skew, crash, restart and restore; and all recover',
  () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const world = new PromiseWorld()
        for (const item of steps) {
          take(world, item)
          world.check()
        }
        world.checkRecovery()
      }),
      { numRuns: 400, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
    )
    expect.assertions(0)
  },
  120_000,
)

function take(world: PromiseWorld, item: Step): void {
  const each = 'of' in item ? world.verifiers[item.of] : undefined
  const relay = 'relay' in item ? world.relays[item.relay] : undefined
  switch (item.do) {
    case 'issue':
      if (!world.isClosed(item.id)) world.issue(item.id, item.ttlMs)
      return
    case 'revoke':
      return world.revoke(item.at)
    case 'renew':
      return world.renew(item.at)
    case 'close':
      return world.closePrefix(item.id)
    case 'pass':
      return world.pass(item.ms)
    case 'skew':
      if (each !== undefined) each.skewMs = item.ms
      return
    case 'lag':
      if (each !== undefined) each.lagMs = item.ms
      return
    case 'replay':
      if (each !== undefined) for (const pick of item.picks) world.replay(each, item.relay, pick)
      return
    case 'replaySnapshot':
      if (each !== undefined) world.replaySnapshot(each, item.pick)
      return
    case 'withhold':
      if (each === undefined) return
      each.isCut = true
      for (let more = 0; more < 2; more++) world.revoke(item.at + more)
      world.pass(4_500)
      return world.resend(each, 0)
    case 'resend':
      if (each !== undefined) world.resend(each, item.pick)
      return
    case 'measure':
      if (each !== undefined) world.measure(each, item.outMs, item.backMs)
      return
    case 'deceive':
      if (each === undefined) return
      each.lagMs = item.ms
      each.skewMs = -item.ms
      if (item.answerMs !== undefined) world.measure(each, 1, item.answerMs)
      return world.pass(item.answerMs === unanswered ? 6_000 : (item.answerMs ?? 0) + 500)
    case 'cut':
    case 'mend':
      if (each !== undefined) each.isCut = item.do === 'cut'
      return
    case 'suspend':
    case 'wake':
      if (each !== undefined) each.isSuspended = item.do === 'suspend'
      return
    case 'switch':
      if (each !== undefined) world.switchRelay(each)
      return
    case 'restart':
      if (each !== undefined) world.restart(each, item.forgets)
      return
    case 'cutRelay':
    case 'mendRelay':
      if (relay !== undefined) relay.isCut = item.do === 'cutRelay'
      return
    case 'crash':
    case 'serve':
      world.isRunning = item.do === 'serve'
      return
    case 'backUp':
      return world.backUp()
    case 'restore':
      return world.restore()
    default:
      item satisfies never
  }
}
