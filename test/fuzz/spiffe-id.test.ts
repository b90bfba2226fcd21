import fc from 'fast-check'
import { expect } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { isAgentId, isReserved, isSpiffeId, parseSpiffeId, pathOf, segmentsOf, spiffeIdOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import { grantPrefixesOf, taskOf } from '../../src/core/task.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'

const pieces = ['spiffe://', 'SPIFFE://', 'spiffe:/', 'example.org', 'Example.org', '/', '//', '.', '..', '%2e', '%00', '\0', ' ', '\n', '\t', '@', ':', ':8443', '?', '#', 'task', 'sub', 'spire', 'agent', 'server', 'x', 'é', 'ǆ', '\u202e', '\ud800', 'x'.repeat(255), 'y'.repeat(1_900), '[::1]', '-', '_']
const ids = fc.oneof(
  fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 })), { maxLength: 12 }).map((parts) => parts.join('')),
  fc.array(fc.constantFrom(...pieces, 'a', 'b'), { maxLength: 10 }).map((parts) => `spiffe://example.org${parts.join('/')}`),
  fc.array(fc.stringMatching(/^[a-zA-Z0-9._-]{0,12}$/), { maxLength: 10 }).map((parts) => `spiffe://example.org/${parts.join('/')}`),
  fc.string({ maxLength: 40, unit: 'binary' }),
)

/** The grammar of SPIFFE-ID 2, written a second time. */
const grammar = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[a-zA-Z0-9._-]+)*$/u

fuzz('spiffe-id', 'what is accepted is what the grammar has, means one thing only, and says itself again', textForm, ids, (text) => {
  const valid = text.length <= 2_048 && grammar.test(text) && !text.includes('\n')
  expect(isSpiffeId(text)).toBe(valid)
  if (!valid) {
    expect(() => parseSpiffeId(text)).toThrow(MayflyError)
    return
  }
  const id = parseSpiffeId(text)
  expect(id).toBe(text)
  expect(Buffer.byteLength(id)).toBe(id.length)
  expect(spiffeIdOf(trustDomainOf(id), pathOf(id))).toBe(id)
  // What another parser of URLs would take it for is the same host and path: nothing to disagree about between us and a peer.
  const url = new URL(id)
  expect([url.host, url.pathname, url.search, url.hash, url.username, url.port]).toEqual([trustDomainOf(id), pathOf(id), '', '', '', ''])
  expect(segmentsOf(id).some((segment) => segment === '' || segment === '.' || segment === '..')).toBe(false)
  if (isAgentId(id)) expect(isReserved(id)).toBe(true)
  const task = taskOf(id)
  if (task !== undefined) {
    const subs = task.subs.map((sub) => `/sub/${sub}`)
    expect([task.workload, '/task/', task.grantId, ...subs].join('')).toBe(id)
    expect(grantPrefixesOf(id).at(-1)).toBe(id)
    expect(grantPrefixesOf(id)).toHaveLength(1 + subs.length)
  }
  for (const prefix of grantPrefixesOf(id)) expect(id === prefix || id.startsWith(`${prefix}/`)).toBe(true)
})
