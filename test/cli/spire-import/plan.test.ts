import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Entry__Output as MayflyEntry } from '../../../proto/generated/mayfly/v1/Entry.ts'
import { planImport } from '../../../src/cli/spire-import/plan.ts'
import type { Fate, PlanTerms } from '../../../src/cli/spire-import/plan.ts'
import type { SpireAgent, SpireEntry } from '../../../src/cli/spire-import/registry.ts'
import { OwnerMap, parentRule } from '../../../src/cli/spire-import/rules.ts'
import { nowSeconds, serverId, spireAgent, spireEntry } from '../../support/spire/registry.ts'

const nobody = new OwnerMap(new Map(), '')
const plain: PlanTerms = { trustDomain: 'example.org', nowSeconds, owners: nobody, parents: new Map(), capTtlSeconds: undefined, all: false, bundles: new Set(['other.org']), existing: [], agentIds: new Set() }

function fates(entries: readonly SpireEntry[], agents: readonly SpireAgent[] | undefined, terms: Partial<PlanTerms> = {}): Readonly<Record<string, Fate>> {
  return Object.fromEntries(planImport({ entries, agents, bundles: undefined }, { ...plain, ...terms }).map(({ entry, fate }) => [entry.id, fate]))
}

const one = spireAgent('one')
/** Addresses the agent by a name, as `token generate -spiffeID` makes it. */
const nodeA = spireEntry('node-a', one.id, { selectors: [`spiffe_id:${one.id}`] })

describe('what moves', () => {
  test('is what lies below a name of a node, with all that it says, under its own ID', () => {
    const web = spireEntry('web', '/node-a', { selectors: ['unix:uid:7', 'unix:path:/usr/bin/web'], x509SvidTtlSeconds: 600, dnsNames: ['web.example.org'], hint: 'public', federatesWith: ['spiffe://other.org'], admin: true, downstream: true, expiresAtSeconds: nowSeconds + 9, disableX509SvidPrefetch: true })
    expect(fates([nodeA, web], [one])['web']).toEqual({
      kind: 'moves',
      notes: ['no_owner', 'admin', 'downstream', 'federates_with'],
      wire: {
        entry: {
          id: 'web',
          spiffeId: { trustDomain: 'example.org', path: '/web' },
          parentId: { trustDomain: 'example.org', path: '/node-a' },
          selectors: [{ type: 'unix', value: 'uid:7' }, { type: 'unix', value: 'path:/usr/bin/web' }],
          x509SvidTtl: 600,
          jwtSvidTtl: 0,
          federatesWith: ['other.org'],
          admin: true,
          downstream: true,
          expiresAt: nowSeconds + 9,
          dnsNames: ['web.example.org'],
          storeSvid: false,
          hint: 'public',
          additionalAttributes: { disableX509SvidPrefetch: true, jwtSvidIncludeJti: false },
        },
        options: { owner: '' },
      },
    })
  })

  test('names only trust domains whose bundle is here, or comes along', () => {
    const web = spireEntry('web', '/node-a', { federatesWith: ['other.org', 'spiffe://third.org', 'example.org'] })
    expect(fates([web], undefined)['web']).toMatchObject({ kind: 'refused', code: 'BUNDLE_UNKNOWN', text: expect.stringMatching(/federates with third\.org/) as string })
    expect(fates([web], undefined, { bundles: new Set(['other.org', 'third.org']) })['web']).toMatchObject({ kind: 'moves' })
  })

  test('is in the order it was made in, and it is said where the default identity of a process will be another', () => {
    const entries = [spireEntry('b', '/node-a', { createdAtSeconds: 3 }), spireEntry('c', '/node-a', { createdAtSeconds: 2 }), spireEntry('a', '/node-a', { createdAtSeconds: 3, selectors: ['unix:uid:7'] })]
    const plan = planImport({ entries, agents: undefined, bundles: undefined }, plain)
    expect(plan.map(({ entry, fate }) => [entry.id, fate.kind === 'moves' ? fate.notes : []])).toEqual([['c', ['no_owner']], ['a', ['no_owner']], ['b', ['no_owner', 'default_may_change']]])
  })

  test('has the owner that the longest rule names, else the one for all', () => {
    const owners = new OwnerMap(new Map([['/web', 'web team'], ['/pay/*', 'payments'], ['spiffe://example.org/pay/eu/*', 'payments eu']]), 'platform')
    expect(['web', 'pay/x', 'pay/eu/x/y', 'pay', 'payroll'].map((path) => owners.ownerOf(`spiffe://example.org/${path}`))).toEqual(['web team', 'payments', 'payments eu', 'platform', 'platform'])
    expect(() => new OwnerMap(new Map([['web*', 'x']]), '')).toThrow('is no rule for owners')
  })

  test('has a life no longer than --cap-ttl', () => {
    const fate = fates([spireEntry('web', '/n', { x509SvidTtlSeconds: 86_400, jwtSvidTtlSeconds: 60 })], undefined, { capTtlSeconds: 3_600 })['web']
    expect(fate).toMatchObject({ kind: 'moves', notes: ['no_owner', 'ttl_capped'], wire: { entry: { x509SvidTtl: 3_600, jwtSvidTtl: 60 } } })
  })

  test('below a token agent waits until the new ID of that agent is named', () => {
    const web = spireEntry('web', one.id)
    expect(fates([web], [one])['web']).toMatchObject({ kind: 'needs_parent', parentId: one.id })
    const to = 'spiffe://example.org/spire/agent/join_token/two'
    const mapped = fates([web], [one], { parents: new Map([parentRule(`${one.id}=${to}`)]) })['web']
    expect(mapped).toMatchObject({ kind: 'moves', notes: ['new_parent', 'no_owner'], wire: { entry: { parentId: { path: '/spire/agent/join_token/two' } } } })
  })
})

test('what lies below an agent that proves itself by what it has moves as it is: that agent keeps its ID', () => {
  const host = spireAgent('4c1b', { attestationType: 'x509pop', selectors: ['x509pop:subject:cn:host'] })
  const names = [spireEntry('rack', serverId, { selectors: ['x509pop:subject:cn:host'] }), spireEntry('one', serverId, { selectors: [`spiffe_id:${host.id}`] }), spireEntry('two', host.id, { selectors: [`spiffe_id:${host.id}`] })]
  const found = fates([spireEntry('web', host.id), ...names, ...['rack', 'one', 'two'].map((name) => spireEntry(`on-${name}`, `/${name}`))], [host])
  expect(Object.entries(found).filter(([, { kind }]) => kind !== 'moves')).toEqual([])
})

describe('what is there', () => {
  const web = spireEntry('web', '/node-a', { hint: 'public' })
  const existing = (overrides: Partial<NonNullable<MayflyEntry['entry']>>): MayflyEntry[] => [
    {
      entry: { id: 'web', spiffeId: { trustDomain: 'example.org', path: '/web' }, parentId: { trustDomain: 'example.org', path: '/node-a' }, selectors: [{ type: 'unix', value: 'uid:1000' }], x509SvidTtl: 0, federatesWith: [], admin: false, downstream: false, expiresAt: 0, dnsNames: [], revisionNumber: 3, storeSvid: false, jwtSvidTtl: 0, hint: 'public', createdAt: 5, ...overrides },
      options: null,
      disabled: false,
    },
  ]

  test('the same is not made again', () => {
    expect(fates([web], undefined, { existing: existing({}) })['web']).toEqual({ kind: 'there' })
    expect(fates([web], undefined, { existing: existing({ id: 'made-by-hand' }) })['web']).toEqual({ kind: 'there' })
  })

  test('another is left as it is, and said', () => {
    expect(fates([web], undefined, { existing: existing({ hint: 'other', x509SvidTtl: 60 }) })['web']).toEqual({ kind: 'differs', existingId: 'web', members: ['x509SvidTtl', 'hint'] })
    expect(fates([web], undefined, { existing: existing({ spiffeId: { trustDomain: 'example.org', path: '/else' } }) })['web']).toEqual({ kind: 'differs', existingId: 'web', members: ['spiffeId'] })
  })
})

describe('what nobody uses', () => {
  test.each([
    ['expired', spireEntry('x', '/node-a', { expiresAtSeconds: nowSeconds - 1 })],
    ['agent_unknown', spireEntry('x', '/spire/agent/join_token/gone')],
    ['agent_expired', spireEntry('x', '/spire/agent/join_token/old')],
    ['agent_banned', spireEntry('x', '/spire/agent/join_token/bad')],
    ['parent_unreached', spireEntry('x', '/never-heard-of')],
    ['alias_unmatched', spireEntry('x', '/k8s-node')],
    ['selector_unserved', spireEntry('x', '/node-a', { selectors: ['unix:uid:1', 'azure_msi:vm:x'] })],
  ] as const)('%s: it stays behind, and moves with --all', (why, entry) => {
    const agents = [one, spireAgent('old', { expiresAtSeconds: nowSeconds - 86_400 }), spireAgent('bad', { banned: true })]
    const entries = [nodeA, spireEntry('k8s-node', serverId, { selectors: ['k8s_psat:cluster:demo'] }), entry]
    expect(fates(entries, agents)['x']).toMatchObject({ kind: 'left', why })
    expect(fates(entries, agents, { all: true })['x']?.kind).toMatch(/^(moves|needs_parent)$/)
  })

  test('nothing is said of that when the agents are not known', () => {
    expect(fates([spireEntry('x', '/never-heard-of')], undefined)['x']?.kind).toBe('moves')
  })

  test('what lies below a name that a live agent matches is in use, at any depth', () => {
    const agent = spireAgent('k', { attestationType: 'k8s_psat', selectors: ['k8s_psat:cluster:demo', 'k8s_psat:agent_ns:spire'] })
    const entries = [
      spireEntry('k8s-node', serverId, { selectors: ['k8s_psat:cluster:demo', 'k8s_psat:agent_ns:spire'] }),
      spireEntry('half-node', serverId, { selectors: ['k8s_psat:cluster:demo', 'k8s_psat:agent_ns:other'] }),
      spireEntry('a', '/k8s-node'),
      spireEntry('b', '/a'),
      spireEntry('c', '/half-node'),
    ]
    const found = fates(entries, [agent])
    expect([found['a']?.kind, found['b']?.kind, found['c']]).toEqual(['moves', 'moves', { kind: 'left', why: 'alias_unmatched', text: 'no agent that is alive has the selectors of its parent spiffe://example.org/half-node' }])
  })
})

test('names of nodes are not made: an agent gets its name with its token', () => {
  const found = fates([nodeA, spireEntry('k8s-node', serverId, { selectors: ['k8s_psat:cluster:demo'] })], [one])
  expect([found['node-a'], found['k8s-node']]).toEqual([
    { kind: 'alias', text: 'mayfly token create --id /node-a' },
    { kind: 'alias', text: 'mayfly token create --id /k8s-node' },
  ])
})

test.each([
  ['a member that nobody here knows', spireEntry('x', '/n', { unknown: ['may_fly'] }), 'it has may_fly, of which this mayfly knows nothing'],
  ['another trust domain', spireEntry('x', '/n', { spiffeId: 'spiffe://other.org/x' }), 'its SPIFFE ID is of the trust domain other.org, this server of example.org'],
  ['no SPIFFE ID', spireEntry('x', '/n', { spiffeId: 'spiffe://example.org/a//b' }), 'its SPIFFE ID "spiffe://example.org/a//b" is no SPIFFE ID'],
  ['a parent of another trust domain', spireEntry('x', 'spiffe://other.org/n'), 'its parent is of the trust domain other.org, this server of example.org'],
])('with %s it is refused', (_, entry, text) => {
  expect(fates([entry], undefined)['x']).toMatchObject({ kind: 'refused', text })
})

test('every entry has one fate, whatever the registry; parents in a circle end too', () => {
  const names = ['a', 'b', 'c', 'd', 'spire/agent/join_token/one', 'spire/server']
  const entry = fc.record({ id: fc.uuid(), path: fc.constantFrom(...names), parent: fc.constantFrom(...names), selector: fc.constantFrom('unix:uid:1', `spiffe_id:${one.id}`, 'k8s:ns:x'), expires: fc.constantFrom(0, 1, nowSeconds + 1) })
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ({ id }) => id, maxLength: 30 }), fc.boolean(), (drafts, all) => {
      const entries = drafts.map(({ id, path, parent, selector, expires }) => spireEntry(id, `/${parent}`, { spiffeId: `spiffe://example.org/${path}`, selectors: [selector], expiresAtSeconds: expires }))
      const plan = planImport({ entries, agents: [one], bundles: [] }, { ...plain, all })
      expect(plan.map(({ entry: { id } }) => id).toSorted()).toEqual(entries.map(({ id }) => id).toSorted())
    }),
  )
})
