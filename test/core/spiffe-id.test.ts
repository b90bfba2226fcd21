import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { hasGrantSegment, isAgentId, isReserved, isSpiffeId, parseSpiffeId, parseTrustDomain, pathOf, serverIdOf, spiffeIdOf, trustDomainId, trustDomainOf } from '../../src/core/spiffe-id.ts'

const vectors = readFileSync(join(import.meta.dirname, '../vectors/spiffe-ids.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, verdict = '', item = '', text = ''] = /^(\w+)\s+(\S+) (.*)$/.exec(line) ?? []
    return { verdict, item, text: String(JSON.parse(text)) }
  })

describe('SPIFFE ID grammar', () => {
  for (const { verdict, item, text } of vectors) {
    test(`${item} ${JSON.stringify(text)} is ${verdict}`, () => {
      expect(isSpiffeId(text)).toBe(verdict === 'valid')
    })
  }

  test('ID-13 an ID of 2048 bytes is accepted, ID-14 one of 2049 is not', () => {
    const start = 'spiffe://td/'
    expect(isSpiffeId(start + 'a'.repeat(2048 - start.length))).toBe(true)
    expect(isSpiffeId(start + 'a'.repeat(2049 - start.length))).toBe(false)
  })

  test('ID-15 a trust domain of 255 bytes is accepted, one of 256 is not', () => {
    expect(isSpiffeId(`spiffe://${'a'.repeat(255)}/x`)).toBe(true)
    expect(isSpiffeId(`spiffe://${'a'.repeat(256)}/x`)).toBe(false)
  })

  test('ID-16 paths compare with case, and no upper-case host gets in to compare', () => {
    expect(parseSpiffeId('spiffe://td/A')).not.toBe(parseSpiffeId('spiffe://td/a'))
    expect(isSpiffeId('spiffe://Td/a')).toBe(false)
  })

  test('a refusal names its code and what to do', () => {
    expect(() => parseSpiffeId('spiffe://td/')).toThrow(expect.objectContaining({ code: 'SPIFFE_ID_INVALID' }))
    expect(() => parseTrustDomain('a/b')).toThrow(MayflyError)
  })

  test('an ID is its trust domain and its path, whatever they are', () => {
    const host = fc.stringMatching(/^[a-z0-9._-]{1,60}$/)
    const segment = fc.stringMatching(/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,20}$/)
    fc.assert(
      fc.property(host, fc.array(segment, { maxLength: 6 }), (name, segments) => {
        const path = segments.map((part) => `/${part}`).join('')
        const id = spiffeIdOf(parseTrustDomain(name), path)
        expect(trustDomainOf(id)).toBe(name)
        expect(pathOf(id)).toBe(path)
        expect(parseSpiffeId(id)).toBe(id)
      }),
    )
  })

  test('no text makes the parser fail otherwise than by its code', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string().map((rest) => `spiffe://${rest}`)), (text) => {
        try {
          expect(parseSpiffeId(text)).toBe(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'SPIFFE_ID_INVALID' })
        }
      }),
    )
  })
})

describe('IDs with a meaning', () => {
  const td = parseTrustDomain('td')

  test('the server and agents are in the reserved namespace, workloads are not', () => {
    expect(serverIdOf(td)).toBe('spiffe://td/spire/server')
    expect(isReserved(serverIdOf(td))).toBe(true)
    expect(isAgentId(parseSpiffeId('spiffe://td/spire/agent/join_token/1'))).toBe(true)
    expect(isAgentId(parseSpiffeId('spiffe://td/spire/agent'))).toBe(false)
    expect(isReserved(parseSpiffeId('spiffe://td/spirexy'))).toBe(false)
    expect(trustDomainId(td)).toBe('spiffe://td')
  })

  test('segments of grants are whole segments, never a part of one', () => {
    expect(hasGrantSegment(parseSpiffeId('spiffe://td/a/sub/b'))).toBe(true)
    expect(hasGrantSegment(parseSpiffeId('spiffe://td/a/subs'))).toBe(false)
  })
})
