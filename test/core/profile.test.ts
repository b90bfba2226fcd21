import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseProfile } from '../../src/core/profile.ts'

const folder = new URL('../../certs/profiles/', import.meta.url)
const raw = (name: string): Record<string, unknown> => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Record<string, unknown> // our own file
const svid = raw('x509-svid')

describe('a certificate profile', () => {
  test.each(readdirSync(folder))('%s is valid, named after its file, and frozen', (file) => {
    const name = file.replace('.json', '')
    const profile = parseProfile(raw(name))
    expect(profile.name).toBe(name)
    expect(Object.isFrozen(profile)).toBe(true)
  })

  test('reports every problem at once, each with its path', () => {
    const broken = { ...svid, ttl: { default: '900', max: '1h', most: '2h' }, keys: ['P-521'], colour: 'red' }
    expect(() => parseProfile(broken)).toThrow(/profile x509-svid: \/colour: unknown; \/ttl\/most: unknown; \/ttl\/default: not a duration.*; \/keys: not a list/)
  })

  const bad: readonly [string, Record<string, unknown>, string][] = [
    ['a TTL over one hour without a reason', { ttl: { default: '15m', max: '2h' } }, '/ttl/max'],
    ['a default over the most', { ttl: { default: '2h', max: '1h' } }, '/ttl/default'],
    ['no digitalSignature', { keyUsage: ['keyAgreement'] }, 'X509-08'],
    ['keyCertSign in an SVID', { keyUsage: ['digitalSignature', 'keyCertSign'] }, 'X509-08'],
    ['cRLSign in an SVID', { keyUsage: ['digitalSignature', 'cRLSign'] }, 'X509-08'],
    ['serverAuth alone', { extKeyUsage: ['serverAuth'] }, 'X509-09'],
    ['a repeated usage', { extKeyUsage: ['serverAuth', 'serverAuth'] }, '/extKeyUsage'],
    ['the revocation stream’s usage', { extKeyUsage: ['serverAuth', 'clientAuth', 'revocationStreamSigning'] }, 'revocation stream'],
    ['a long backdate', { backdate: '6m' }, '/backdate'],
    ['a bad name', { name: 'X 509' }, '/name'],
    ['an unknown kind', { kind: 'root' }, '/kind'],
    ['half a DNS name', { dnsNames: 0.5 }, '/dnsNames'],
  ]
  test.each(bad)('with %s is refused', (_, change, problem) => {
    expect(() => parseProfile({ ...svid, ...change })).toThrow(problem)
  })

  test('a TTL over one hour is allowed with a reason', () => {
    expect(parseProfile({ ...svid, ttl: { default: '15m', max: '2h' }, why: 'batch jobs that cannot renew' }).maxTtlMs).toBe(7_200_000)
  })

  const authority = raw('authority')
  test.each<[string, Record<string, unknown>, string]>([
    ['without keyCertSign', { keyUsage: ['cRLSign'] }, 'X509-07'],
    ['with digitalSignature', { keyUsage: ['keyCertSign', 'digitalSignature'] }, 'X509-12'],
    ['without a name', { subject: {} }, 'RFC 5280 4.1.2.6'],
  ])('an authority %s is refused', (_, change, problem) => {
    expect(() => parseProfile({ ...authority, ...change })).toThrow(problem)
  })

  test.each([null, 1, 'x', [], {}])('%j is refused', (value) => {
    expect(() => parseProfile(value)).toThrow(expect.objectContaining({ code: 'PROFILE_INVALID' }))
  })
})
