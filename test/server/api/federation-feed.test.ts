import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ServerMessage } from '../../../proto/generated/mayfly/v1/ServerMessage.ts'
import { FederationFeed } from '../../../server/api/federation-feed.ts'
import type { FederatedBundle } from '../../../src/core/federated-bundle.ts'
import type { TrustDomain } from '../../../src/core/spiffe-id.ts'
import { foreignBundle } from '../../support/store/samples.ts'

/** Bundles that a test sets. */
class Source {
  readonly bundles = new Map<string, FederatedBundle>()
  readonly #listeners = new Set<(trustDomain: TrustDomain) => void>()

  byName(trustDomain: string): FederatedBundle | undefined {
    return this.bundles.get(trustDomain)
  }

  onChange(listener: (trustDomain: TrustDomain) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  set(name: string, n: number | undefined): void {
    const bundle = foreignBundle(name, n)
    if (n === undefined) this.bundles.delete(name)
    else this.bundles.set(name, bundle)
    for (const listener of this.#listeners) listener(bundle.trustDomain)
  }

  get listeners(): number {
    return this.#listeners.size
  }
}

/** What an agent has after these messages. */
function take(agent: Map<string, unknown>, messages: Iterable<ServerMessage>): void {
  for (const { federated } of messages) {
    const name = federated?.trustDomain ?? ''
    if (federated?.bundle === null || federated?.bundle === undefined) expect(agent.delete(name)).toBe(true)
    else agent.set(name, federated.bundle.sequenceNumber)
  }
}

test('whatever is set, deleted and named, in whatever order, the agent has the bundles that its entries name, before the entries, and no others', () => {
  const names = ['a.example', 'b.example', 'c.example']
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), name: fc.constantFrom(...names), n: fc.option(fc.nat({ max: 5 }), { nil: undefined }) }),
    fc.record({ do: fc.constant('entries' as const), ids: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }), names: fc.subarray(names), deleted: fc.array(fc.nat({ max: 3 }), { maxLength: 2 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const source = new Source()
      let rings = 0
      using feed = new FederationFeed(source, () => rings++)
      const agent = new Map<string, unknown>()
      const entries = new Map<number, readonly string[]>()
      const wanted = (): readonly (readonly [string, unknown])[] => [...new Set([...entries.values()].flat())].flatMap((name) => source.byName(name) ?? []).map(({ trustDomain, sequence }) => [trustDomain, sequence] as const)
      for (const next of steps) {
        const before = rings
        if (next.do === 'set') {
          source.set(next.name, next.n)
          expect(rings > before).toBe([...entries.values()].flat().includes(next.name))
          if (!feed.isDirty) continue
        } else {
          const gone = next.deleted.filter((id) => !next.ids.includes(id))
          for (const id of next.ids) entries.set(id, next.names)
          for (const id of gone) entries.delete(id)
          feed.note(next.ids.map((id) => ({ id: String(id), federatesWith: next.names })), gone.map(String))
        }
        take(agent, feed.arrivals())
        for (const [name, sequence] of wanted()) expect(agent.get(name)).toBe(sequence)
        take(agent, feed.departures())
        expect([...agent].toSorted()).toEqual([...wanted()].toSorted())
        expect(feed.isDirty).toBe(false)
      }
    }),
  )
})

test('an agent that has gone is told nothing', () => {
  const source = new Source()
  const feed = new FederationFeed(source, () => undefined)
  feed[Symbol.dispose]()
  expect(source.listeners).toBe(0)
})

test('a bundle that is set anew with the same authorities is given anew: what else it says may be another', () => {
  const source = new Source()
  using feed = new FederationFeed(source, () => undefined)
  source.set('a.example', 1)
  feed.note([{ id: 'e', federatesWith: ['a.example'] }], [])
  expect([...feed.arrivals()]).toHaveLength(1)
  expect([...feed.departures()]).toHaveLength(0)
  source.set('a.example', 1)
  expect([...feed.arrivals()]).toHaveLength(1)
  feed.note([{ id: 'e', federatesWith: ['a.example'] }], [])
  expect([...feed.arrivals(), ...feed.departures()]).toHaveLength(0)
})
