import { expect, test } from 'vitest'
import type { FederatedBundle__Output } from '../../../proto/generated/mayfly/v1/FederatedBundle.ts'
import { Federation } from '../../../agent/sync/federation.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { derOctetString } from '../../../src/core/der/writer.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { authority, extension, trustDomain } from '../../support/verify/certificates.ts'

const one = Buffer.from(authority('one').der)
const two = Buffer.from(authority('two').der)

function wire(name: string, ...ders: readonly Buffer[]): FederatedBundle__Output {
  return { trustDomain: name, bundle: { trustDomain: name, x509Authorities: ders.map((asn1) => ({ asn1, tainted: false })), jwtAuthorities: [], witAuthorities: [], refreshHint: 0, sequenceNumber: 1 } }
}

function changesOf(federation: Federation): string[][] {
  const heard: string[][] = []
  federation.changed.on((names) => heard.push([...names]))
  return heard
}

test('entries get the bundles that they name, by name and once; what is the same keeps its bytes', () => {
  const federation = new Federation(new KeptLog())
  const heard = changesOf(federation)
  federation.replace([wire('b.example', two), wire('a.example', one)])
  expect(heard).toEqual([['b.example', 'a.example']])
  const named = federation.namedBy([{ federatesWith: ['b.example', 'nobody.example'] }, { federatesWith: ['b.example', 'a.example'] }])
  expect(named.map(({ spiffeId, concatenated }) => [spiffeId, concatenated])).toEqual([['spiffe://a.example', one], ['spiffe://b.example', two]])
  expect(federation.namedBy([{ federatesWith: [] }])).toEqual([])
  federation.apply(wire('a.example', one))
  federation.replace([wire('a.example', one), wire('b.example', two)])
  expect(heard).toHaveLength(1)
  expect(federation.namedBy([{ federatesWith: ['a.example'] }])[0]?.concatenated).toBe(named[0]?.concatenated)
  federation.apply(wire('a.example', one, two))
  federation.apply({ trustDomain: 'b.example', bundle: null })
  federation.apply({ trustDomain: 'nobody.example', bundle: null })
  expect(heard.slice(1)).toEqual([['a.example'], ['b.example']])
  expect(federation.all.map(({ trustDomain: name, concatenated }) => [name, concatenated])).toEqual([['a.example', Buffer.concat([one, two])]])
})

test('FED-06 a set has the own bundle and these, each under its own name; the same one until either changes', () => {
  const federation = new Federation(new KeptLog())
  const own = BundleSet.of({ trustDomain, x509Authorities: [one] })
  expect(federation.with(own)).toBe(own)
  federation.apply(wire('other.example', two))
  const both = federation.with(own)
  expect(both.trustDomains).toEqual([trustDomain, 'other.example'])
  expect(both.authoritiesOf(parseTrustDomain('other.example')).map(({ certificate }) => Buffer.from(certificate.raw))).toEqual([two])
  expect(federation.with(own)).toBe(both)
  federation.apply({ trustDomain: 'other.example', bundle: null })
  expect(federation.with(own)).toBe(own)
})

test('a bundle that cannot be used is left out, said, and spoils nothing beside it', () => {
  const log = new KeptLog()
  const federation = new Federation(log)
  federation.replace([wire('a.example', one), wire('b.example', Buffer.from('nonsense')), wire('Not One', one)])
  expect(federation.all.map(({ trustDomain: name }) => name)).toEqual(['a.example'])
  expect(log.facts.filter(({ event }) => event === 'federation.refused')).toHaveLength(2)
  federation.apply(wire('a.example', Buffer.from('nonsense')))
  expect(federation.all).toEqual([])
})

test('what does not fit an answer is left out, and that is said once', () => {
  const log = new KeptLog()
  const federation = new Federation(log)
  const big = Buffer.from(authority('big', { extensions: { padding: extension('1.3.6.1.4.1.99999.1', false, derOctetString(new Uint8Array(60_000))) } }).der)
  const names = Array.from({ length: 40 }, (_, n) => `d${String(n).padStart(2, '0')}.example`)
  federation.replace(names.map((name) => wire(name, big)))
  const fit = federation.namedBy([{ federatesWith: names }])
  expect(fit.map(({ trustDomain: name }) => name)).toEqual(names.slice(0, Math.floor(2_000_000 / big.length)))
  federation.namedBy([{ federatesWith: names }])
  expect(log.facts.filter(({ event }) => event === 'federation.too_long')).toHaveLength(1)
})
