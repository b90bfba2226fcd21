import { plainEntry } from '../../../src/core/entry.ts'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { EntryIndex } from '../../../server/registry/entry-index.ts'
import type { AgentFacts } from '../../../server/registry/entry-index.ts'
import { AgentIndex } from '../../../server/registry/agent-index.ts'
import { Acknowledgements } from '../../../server/registry/acknowledgements.ts'
import type { Entry } from '../../../src/core/entry.ts'
import { formatSelector, matches, parseSelector } from '../../../src/core/selector.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { SpiffeId } from '../../../src/core/spiffe-id.ts'
import { systemClock } from '../../../src/system/clock.ts'

const trustDomain = parseTrustDomain('example.org')
const id = (path: string): SpiffeId => parseSpiffeId(`spiffe://example.org${path}`)
const serverId = id('/spire/server')
const agents: readonly AgentFacts[] = ['a', 'b'].map((name) => ({ id: id(`/spire/agent/join_token/${name}`), selectors: new Set([`node:${name}`, 'node:all']) }))

function entry(fields: Partial<Entry> & Pick<Entry, 'id' | 'spiffeId' | 'parentId'>): Entry {
  return {
    selectors: [parseSelector('unix:uid:1')],
    ...plainEntry,
    createdAtSeconds: 0,
    revision: 0,
    disabled: false,
    ...fields,
  }
}

/** What SPIRE means, written down without an index. */
function authorizedNaively(entries: ReadonlyMap<string, Entry>, disabled: ReadonlySet<string>, agent: AgentFacts, nowMs: number): readonly string[] {
  const live = [...entries.values()].filter((each) => !disabled.has(each.id) && !disabled.has(each.spiffeId) && !disabled.has(each.owner) && (each.expiresAtSeconds === 0 || each.expiresAtSeconds * 1_000 > nowMs))
  const parents = new Set<string>([agent.id, ...live.filter((each) => each.parentId === serverId && matches(each.selectors, agent.selectors)).map((each) => each.spiffeId)])
  const found = new Set<string>()
  for (let before = -1; before !== found.size + parents.size; ) {
    before = found.size + parents.size
    for (const each of live) {
      if (!parents.has(each.parentId)) continue
      found.add(each.id)
      parents.add(each.spiffeId)
    }
  }
  return [...found].toSorted()
}

const paths = ['/w1', '/w2', '/w3', '/nodes'] as const
const parentIds = [serverId, ...agents.map((agent) => agent.id), ...paths.map((path) => id(path))]
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      id: fc.constantFrom('e1', 'e2', 'e3', 'e4', 'e5', 'e6'),
      spiffeId: fc.constantFrom(...paths).map((path) => id(path)),
      parentId: fc.constantFrom(...parentIds),
      selectors: fc.subarray(['node:a', 'node:b', 'node:all'], { minLength: 1 }).map((all) => all.map((text) => parseSelector(text))),
      owner: fc.constantFrom('', 'team'),
      expiresAtSeconds: fc.constantFrom(0, 0, 50, 200),
    }),
  },
  fc.record({ kind: fc.constant('remove' as const), id: fc.constantFrom('e1', 'e2', 'e3') }),
  fc.record({ kind: fc.constantFrom('disable' as const, 'enable' as const), what: fc.constantFrom('e1', 'e4', id('/w1'), id('/nodes'), 'team') }),
)

test('the index authorizes exactly what a search through all entries would, after any changes', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const nowMs = 100_000
      const index = new EntryIndex(trustDomain)
      const entries = new Map<string, Entry>()
      const disabled = new Set<string>()
      for (const change of operations) {
        switch (change.kind) {
          case 'put': {
            const put = entry(change)
            entries.set(put.id, put)
            index.put(put)
            break
          }
          case 'remove':
            entries.delete(change.id)
            index.remove(change.id)
            break
          case 'disable':
          case 'enable': {
            const { what, kind } = change
            const on = kind === 'disable'
            if (on) disabled.add(what)
            else disabled.delete(what)
            index.setDisabled(what === 'team' ? { kind: 'owner', owner: what } : what.startsWith('spiffe:') ? { kind: 'id', id: parseSpiffeId(what) } : { kind: 'entry', entryId: what }, on)
            break
          }
          default:
            change satisfies never
        }
        for (const agent of agents) {
          const expected = authorizedNaively(entries, disabled, agent, nowMs)
          expect([...index.authorizedFor(agent, nowMs).keys()].toSorted()).toEqual(expected)
          for (const each of entries.keys()) expect(index.isAuthorized(agent, each, nowMs)).toBe(expected.includes(each))
          // Whoever may see an entry is among its roots: otherwise a change would not reach it.
          for (const each of expected) {
            const roots = index.rootsOf(entries.get(each)?.parentId ?? serverId)
            expect(roots.agentIds.has(agent.id) || roots.aliases.some((selectors) => selectors.every((selector) => agent.selectors.has(selector)))).toBe(true)
          }
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('an expired entry stays expired when the clock is set back, until it is changed', () => {
  const index = new EntryIndex(trustDomain)
  const [agent] = agents
  if (agent === undefined) throw new Error('no agent')
  const brief = entry({ id: 'e', spiffeId: id('/w1'), parentId: agent.id, expiresAtSeconds: 100 })
  index.put(brief)
  expect(index.expire(99_999)).toEqual([])
  expect(index.expire(100_000).map((each) => each.id)).toEqual(['e'])
  expect(index.expire(100_000)).toEqual([])
  expect(index.isAuthorized(agent, 'e', 50_000)).toBe(false)
  expect(index.longExpired(100_001)).toEqual(['e'])
  index.put({ ...brief, expiresAtSeconds: 0 })
  expect(index.isAuthorized(agent, 'e', 50_000)).toBe(true)
})

test('a disabled agent is authorized for nothing', () => {
  const index = new EntryIndex(trustDomain)
  const [agent] = agents
  if (agent === undefined) throw new Error('no agent')
  index.put(entry({ id: 'e', spiffeId: id('/w1'), parentId: agent.id }))
  index.setDisabled({ kind: 'agent', id: agent.id }, true)
  expect(index.authorizedFor(agent, 0).size).toBe(0)
  expect(index.isAuthorized(agent, 'e', 0)).toBe(false)
})

test('an authority is acknowledged once every agent with a valid SVID has taken its bundle in', () => {
  const known = new AgentIndex()
  const acknowledgements = new Acknowledgements(known, { ...systemClock, nowMs: () => 1_000 })
  expect(acknowledgements.hasAll('new')).toBe(false)
  acknowledgements.published(['old', 'new'], 7)
  expect(acknowledgements.hasAll('new')).toBe(true)
  for (const [name, notAfterMs] of [['a', 2_000], ['b', 2_000], ['gone', 500]] as const) known.put({ id: id(`/spire/agent/join_token/${name}`), selectors: [], banned: false, notAfterMs })
  acknowledgements.acknowledge(id('/spire/agent/join_token/a'), 7)
  expect(acknowledgements.hasAll('new')).toBe(false)
  acknowledgements.acknowledge(id('/spire/agent/join_token/b'), 6)
  expect(acknowledgements.hasAll('new')).toBe(false)
  acknowledgements.acknowledge(id('/spire/agent/join_token/b'), 8)
  expect(acknowledgements.hasAll('new')).toBe(true)
  expect(formatSelector(parseSelector('a:b'))).toBe('a:b')
})

test('what an evicted agent had acknowledged counts no more when one of its ID comes back', () => {
  const known = new AgentIndex()
  const agent = { id: id('/spire/agent/join_token/a'), selectors: [], banned: false, notAfterMs: 2_000 }
  const acknowledgements = new Acknowledgements(known, { ...systemClock, nowMs: () => 1_000 })
  acknowledgements.published(['old'], 7)
  known.put(agent)
  acknowledgements.acknowledge(agent.id, 7)
  expect(acknowledgements.hasAll('old')).toBe(true)
  known.remove(agent.id)
  acknowledgements.published(['old', 'new'], 8)
  known.put(agent)
  expect(acknowledgements.hasAll('old')).toBe(false)
  acknowledgements.acknowledge(agent.id, 8)
  expect(acknowledgements.hasAll('new')).toBe(true)
})
