import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { agentsOf, bundlesOf, entriesOf } from '../../../src/cli/spire-import/read-json.ts'
import { planBundles } from '../../../src/cli/spire-import/bundles.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { root } from '../../support/product/process.ts'

const printed = (name: string): string => readFileSync(join(root, `test/vectors/spire/${name}.json`), 'utf8')

describe('what spire-server 1.16 prints', () => {
  test('entry show -output json is read whole', () => {
    const entries = entriesOf(printed('entry-show'), 'f')
    expect(entries).toHaveLength(7)
    expect(entries.find(({ spiffeId }) => spiffeId.endsWith('/web'))).toEqual({
      id: '33b2292e-be0b-4dc8-bbde-94a76240d7b6',
      spiffeId: 'spiffe://example.org/web',
      parentId: 'spiffe://example.org/spire/agent/join_token/11111111-2222-4333-8444-555555555555',
      selectors: [{ type: 'unix', value: 'path:/usr/bin/web' }, { type: 'unix', value: 'uid:1000' }],
      x509SvidTtlSeconds: 600,
      jwtSvidTtlSeconds: 0,
      federatesWith: [],
      dnsNames: ['web.example.org'],
      hint: 'public',
      admin: false,
      downstream: false,
      storeSvid: false,
      disableX509SvidPrefetch: false,
      jwtSvidIncludeJti: false,
      expiresAtSeconds: 0,
      createdAtSeconds: 1_795_359_426,
      unknown: [],
    })
  })

  test('bundle list -output json is, with the keys of tokens', () => {
    const bundles = bundlesOf(printed('bundle-list'), 'f')
    expect(bundles.map(({ trustDomain, x509Authorities, jwtAuthorities, sequence, refreshHintSeconds }) => [trustDomain, x509Authorities.length, jwtAuthorities.length, sequence, refreshHintSeconds])).toEqual([['partner.example', 1, 1, 1, 0], ['pem.example', 1, 0, 0, 0]])
    expect(bundles[0]?.jwtAuthorities[0]).toMatchObject({ keyId: expect.stringMatching(/^\w{32}$/) as string, expiresAtSeconds: 0 })
    expect(planBundles(bundles, []).map(({ fate }) => fate)).toEqual(['moves', 'moves'])
  })

  test('agent list -output json is', () => {
    expect(agentsOf(printed('agent-list'), 'f')).toEqual([
      { id: 'spiffe://example.org/spire/agent/join_token/11111111-2222-4333-8444-555555555555', attestationType: 'join_token', selectors: [], expiresAtSeconds: 1_795_363_022, banned: false },
    ])
  })
})

const entry = { id: 'a', spiffe_id: { trust_domain: 'example.org', path: '/a' }, parent_id: { trust_domain: 'example.org', path: '/n' }, selectors: [{ type: 'unix', value: 'uid:1' }] }
const list = (more: object): string => JSON.stringify({ entries: [entry, { ...entry, ...more }] })

test.each([
  ['SPIRE 1.4 said ttl', { ttl: 60 }, { x509SvidTtlSeconds: 60 }],
  ['numbers of 64 bits are texts, or numbers', { expires_at: '1800000000', created_at: 5 }, { expiresAtSeconds: 1_800_000_000, createdAtSeconds: 5 }],
  ['attributes of newer versions', { additional_attributes: { disable_x509_svid_prefetch: true } }, { disableX509SvidPrefetch: true }],
  ['what is null is unset', { hint: null, federates_with: null, additional_attributes: null, spiffe_id: null }, { hint: '', federatesWith: [], spiffeId: '' }],
  ['what nobody here knows is named', { wit_svid_ttl: 1, additional_attributes: { other: 1 } }, { unknown: ['wit_svid_ttl', 'other'] }],
])('%s', (_, more, wanted) => {
  expect(entriesOf(list(more), 'f')[1]).toMatchObject(wanted)
})

test.each([
  ['no JSON', '{', 'f: not JSON'],
  ['no list', '{"results":[]}', 'f: it has no list of entries'],
  ['a list alone', '[]', 'f: it has no list of entries'],
  ['an item that is none', '{"entries":[1]}', 'f, entry 1: it is not an object'],
  ['an ID as text', list({ spiffe_id: 'spiffe://example.org/a' }), 'f, entry 2, spiffe_id: an object with trust_domain and path is wanted'],
  ['a number that is none', list({ x509_svid_ttl: 1.5 }), 'f, entry 2, x509_svid_ttl: a whole number is wanted'],
  ['a number too large to count with', list({ expires_at: '99999999999999999999' }), 'f, entry 2, expires_at: a whole number is wanted'],
  ['a flag as text', list({ admin: 'false' }), 'f, entry 2, admin: true or false is wanted'],
  ['a selector as text', list({ selectors: ['unix:uid:1'] }), 'f, entry 2, selector 1: an object with type and value is wanted'],
  ['more selectors than anything has', list({ selectors: Array.from({ length: 1_001 }, () => ({ type: 'a', value: 'b' })) }), 'f, entry 2, selectors: longer than 1000 items'],
  ['a text too long', list({ hint: 'x'.repeat(5_000) }), 'f, entry 2, hint: longer than 4096 characters'],
])('%s is refused, with its place', (_, text, message) => {
  expect(() => entriesOf(text, 'f')).toThrow(message)
})

test.each([
  ['no list', '{"entries":[]}', 'f: it has no list of bundles'],
  ['an authority that is none', '{"bundles":[{"x509_authorities":[1]}]}', 'f, bundle 1, authority 1: it is not an object'],
  ['an authority that is not base64', '{"bundles":[{"x509_authorities":[{"asn1":"!"}]}]}', 'f, bundle 1, authority 1, asn1: base64 is wanted'],
  ['a key without a key', '{"bundles":[{"jwt_authorities":[{"key_id":"a"}]}]}', 'f, bundle 1, JWT authority 1, public_key: base64 is wanted'],
  ['a name as a number', '{"bundles":[{"trust_domain":1}]}', 'f, bundle 1, trust_domain: a text is wanted'],
])('of bundles, %s is refused, with its place', (_, text, message) => {
  expect(() => bundlesOf(text, 'f')).toThrow(message)
})

test('a bundle that nobody could use is not moved, and why is said; one that is here with other authorities is left', () => {
  const [first, second] = bundlesOf(printed('bundle-list'), 'f')
  if (first === undefined || second === undefined) throw new Error('the vector has two')
  const broken = { ...first, trustDomain: 'broken.example', x509Authorities: [Uint8Array.of(1)] }
  const here = { ...first, trustDomain: parseTrustDomain('partner.example'), sequence: 99 }
  const planned = planBundles([first, second, broken, { ...first, trustDomain: 'Not One' }], [here, { ...here, trustDomain: parseTrustDomain('pem.example') }])
  expect(planned.map(({ trustDomain, fate }) => [trustDomain, fate])).toEqual([['partner.example', 'there'], ['pem.example', 'differs'], ['broken.example', 'refused'], ['Not One', 'refused']])
})
