import fc from 'fast-check'
import { expect } from 'vitest'
import { formatJoinLine, parseJoinLine } from '../../src/core/join-line.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'

const prefix = 'mayfly-join:v1:'
const token = 'c0ffee00-1234-4abc-8def-0123456789ab'
const good = { address: '127.0.0.1:8081', token, trustDomain: parseTrustDomain('example.org'), bundleDigest: 'ab'.repeat(32) }
const inner = fc
  .dictionary(fc.constantFrom('a', 't', 'd', 'p', 'x', '__proto__'), fc.oneof(fc.constantFrom<unknown>('127.0.0.1:8081', '[::1]:1', 'host:99999', 'http://x:1', token, 'example.org', 'ab'.repeat(32), 'AB'.repeat(32)), fc.jsonValue()), { noNullPrototype: true })
  .map((value) => prefix + Buffer.from(JSON.stringify(value)).toString('base64url'))
const lines = fc.oneof(
  textEdits([formatJoinLine(good), `  ${formatJoinLine(good)}\n`], ['=', '+', '/', '\n', ' ', prefix, 'mayfly-join:v2:', 'e30', 'bnVsbA', '\0', 'é']),
  textEdits([JSON.stringify({ a: good.address, t: token, d: 'example.org', p: good.bundleDigest })], ['"', '{', '}', ',', '"a":', '"__proto__":', 'null', '\\u0000', '\\ud800', 'é']).map((json) => prefix + Buffer.from(json).toString('base64url')),
  inner,
)

fuzz('join-line', 'a join line is four strings of their shapes, or refused in words that do not repeat it', textForm, lines, (text) => {
  let line
  try {
    line = parseJoinLine(text)
  } catch (error) {
    expect(error).toMatchObject({ name: 'MayflyError', code: 'JOIN_LINE_INVALID' })
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(token)
    return
  }
  expect(line.bundleDigest).toMatch(/^[0-9a-f]{64}$/)
  expect(line.address).toMatch(/^[^\s/@]+:\d{1,5}$/)
  expect(parseJoinLine(formatJoinLine(line))).toEqual(line)
})
