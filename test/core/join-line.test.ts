import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatJoinLine, listensAnywhere, parseJoinLine } from '../../src/core/join-line.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'

const line = { address: '127.0.0.1:8081', token: 'q'.repeat(43), trustDomain: parseTrustDomain('example.org'), bundleDigest: 'ab'.repeat(32) }

test('a join line comes back as it was', () => {
  expect(parseJoinLine(` ${formatJoinLine(line)}\n`)).toEqual(line)
  expect(formatJoinLine(line)).toMatch(/^mayfly-join:v1:[A-Za-z0-9_-]+$/)
})

test.each([
  ['another prefix', `mayfly-join:v2:${formatJoinLine(line).slice(15)}`],
  ['a cut line', formatJoinLine(line).slice(0, -9)],
  ['an address without port', formatJoinLine({ ...line, address: 'localhost' })],
  ['a short token', formatJoinLine({ ...line, token: 'abc' })],
  ['a digest that is not SHA-256', formatJoinLine({ ...line, bundleDigest: 'ab' })],
  ['a giant', `mayfly-join:v1:${'A'.repeat(10_000)}`],
  ['an array', `mayfly-join:v1:${btoa('[]').replaceAll('=', '')}`],
])('%s is refused', (_, text) => {
  expect(() => parseJoinLine(text)).toThrow(expect.objectContaining({ code: 'JOIN_LINE_INVALID' }))
})

test('no text makes it throw anything else, and no message repeats it', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 20 }), (text) => {
      expect(() => parseJoinLine(`mayfly-join:v1:${text}`)).toThrow(expect.objectContaining({ code: 'JOIN_LINE_INVALID', message: expect.not.stringContaining(text) }))
    }),
  )
})

test('every address of a machine is no address for another one', () => {
  expect(['0.0.0.0:8081', '[::]:8081', '[0:0:0:0:0:0:0:0]:1'].map(listensAnywhere)).toEqual([true, true, true])
  expect(['127.0.0.1:8081', '10.0.0.0:8081', '[::1]:8081', 'mayfly.internal:8081', '0.0.0.0.example.org:1'].map(listensAnywhere)).toEqual([false, false, false, false, false])
})
