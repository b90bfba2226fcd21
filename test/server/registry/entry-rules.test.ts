import { plainEntry } from '../../../src/core/entry.ts'
import { expect, test } from 'vitest'
import { checkEntry, checkEntryId, checkPatch } from '../../../server/registry/entry-rules.ts'
import type { RawEntry } from '../../../server/registry/entry-rules.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'

const rules = { trustDomain: parseTrustDomain('example.org'), maxTtlSeconds: 3_600, maxDnsNames: 20, adminUids: new Set([0, 1000]) }
const valid: RawEntry = {
  spiffeId: 'spiffe://example.org/web',
  parentId: 'spiffe://example.org/spire/agent/join_token/x',
  selectors: [{ type: 'unix', value: 'uid:1001' }],
  ...plainEntry,
}

test('a valid entry is taken as it is, without repeated selectors', () => {
  expect(checkEntry({ ...valid, selectors: [...valid.selectors, ...valid.selectors] }, rules)).toEqual(valid)
})

test.each([
  ['of another trust domain', 'spiffeId', 'spiffe://other.org/web'],
  ['of the trust domain itself', 'spiffeId', 'spiffe://example.org'],
  ['of the server', 'spiffeId', 'spiffe://example.org/spire/server'],
  ['of an agent', 'spiffeId', 'spiffe://example.org/spire/agent/x/y'],
  ['with a task', 'spiffeId', 'spiffe://example.org/web/task/1'],
  ['with a sub', 'spiffeId', 'spiffe://example.org/sub'],
  ['that is none', 'spiffeId', ''],
  ['with a dot segment', 'spiffeId', 'spiffe://example.org/a/../b'],
  ['below a reserved ID', 'parentId', 'spiffe://example.org/spire/other'],
  ['below the trust domain', 'parentId', 'spiffe://example.org'],
  ['below another trust domain', 'parentId', 'spiffe://other.org/spire/agent/a/b'],
  ['without selectors', 'selectors', []],
  ['with a selector without value', 'selectors', [{ type: 'unix', value: '' }]],
  ['with a colon in a selector type', 'selectors', [{ type: 'a:b', value: 'c' }]],
  ['with too many selectors', 'selectors', Array.from({ length: 101 }, (_, at) => ({ type: 'a', value: `${at}` }))],
  ['that selects an administrator', 'selectors', [{ type: 'unix', value: 'uid:1000' }]],
  ['with too long a TTL', 'x509SvidTtlSeconds', 3_601],
  ['with a negative TTL', 'x509SvidTtlSeconds', -1],
  ['with too long a JWT TTL', 'jwtSvidTtlSeconds', 86_400],
  ['with a negative expiry', 'expiresAtSeconds', -1],
  ['with a bad DNS name', 'dnsNames', ['a..b']],
  ['with a space in a DNS name', 'dnsNames', ['a b']],
  ['with more DNS names than can be signed', 'dnsNames', Array.from({ length: 21 }, (_, at) => `n${at}.example.org`)],
  ['with a wildcard within', 'dnsNames', ['a.*.b']],
  ['with a wildcard that covers another', 'dnsNames', ['*.b.c', 'a.b.c']],
  ['with too long a hint', 'hint', 'é'.repeat(513)],
  ['with a control character in its owner', 'owner', 'a\u001b[31m'],
  ['federated with no name', 'federatesWith', ['Not A Domain']],
  ['federated with its own trust domain', 'federatesWith', ['partner.example', 'example.org']],
] as const)('an entry %s is refused, and the field named', (_, field, value) => {
  expect(() => checkEntry({ ...valid, [field]: value }, rules)).toThrow(expect.objectContaining({ code: 'ENTRY_INVALID', details: { path: field } }))
  expect(() => checkPatch('e', { [field]: value }, rules)).toThrow(expect.objectContaining({ code: 'ENTRY_INVALID' }))
})

test.each([
  ['the server as parent', { parentId: 'spiffe://example.org/spire/server' }],
  ['another entry as parent', { parentId: 'spiffe://example.org/nodes/a' }],
  ['a wildcard name', { dnsNames: ['*.example.org', 'example.org', 'a_b.x'] }],
  ['a hint of 1024 bytes', { hint: 'h'.repeat(1024) }],
  ['an owner of any script', { owner: 'команда (a) <a@b.c>' }],
  ['the longest TTL', { x509SvidTtlSeconds: 3_600 }],
])('an entry with %s is taken', (_, change) => {
  expect(checkEntry({ ...valid, ...change }, rules)).toMatchObject(change)
})

test('storeSvid wants selectors of one type', () => {
  const selectors = [{ type: 'a', value: '1' }, { type: 'b', value: '2' }]
  expect(() => checkEntry({ ...valid, storeSvid: true, selectors }, rules)).toThrow('of one type')
})

test('a patch holds only what it names', () => {
  expect(checkPatch('e', { hint: 'x', admin: false }, rules)).toEqual({ id: 'e', hint: 'x', admin: false })
})

test.each(['', 'a b', 'a/b', 'x'.repeat(256), 'é'])('the id %j is refused', (id) => {
  expect(() => checkEntryId(id)).toThrow(expect.objectContaining({ code: 'ENTRY_INVALID' }))
})
