import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { formatStreamPlace, parseStreamPlace } from '../../src/core/stream-place.ts'

describe('a place that a revocation stream is served at', () => {
  test.each([
    ['unix:/run/r.sock', { kind: 'unix', path: '/run/r.sock' }, 'unix:/run/r.sock'],
    ['unix:///run/r.sock', { kind: 'unix', path: '/run/r.sock' }, 'unix:/run/r.sock'],
    ['relay-a.internal:8443', { kind: 'tls', host: 'relay-a.internal', port: 8443 }, 'relay-a.internal:8443'],
    ['[fd00::1]:8443', { kind: 'tls', host: 'fd00::1', port: 8443 }, '[fd00::1]:8443'],
    ['127.0.0.1:8443', { kind: 'tls', host: '127.0.0.1', port: 8443 }, '127.0.0.1:8443'],
    ['plain:127.0.0.1:8443', { kind: 'plain', host: '127.0.0.1', port: 8443 }, 'plain:127.0.0.1:8443'],
    ['plain:[::1]:8443', { kind: 'plain', host: '::1', port: 8443 }, 'plain:[::1]:8443'],
  ] as const)('%s is read, and written the same way', (text, place, written) => {
    expect(parseStreamPlace(text)).toEqual(place)
    expect(formatStreamPlace(parseStreamPlace(text))).toBe(written)
  })

  test.each(['plain:0.0.0.0:8443', 'plain:10.0.0.7:8443', 'plain:localhost:8443', 'plain:127.0.0.1.example.org:8443', 'plain:[::2]:8443', 'plain:[::ffff:10.0.0.7]:8443'])('%s is not spoken to in the clear', (text) => {
    expect(() => parseStreamPlace(text)).toThrow('only a loopback address')
  })

  test.each(['', 'unix:', 'unix:relative', 'unix:/run/', 'relay', 'relay:', 'relay:0', 'relay:65536', 'relay:8443/', 'tcp://relay:8443', 'a b:1', ':8443', `unix:/${'x'.repeat(200)}`])('%j is none', (text) => {
    expect(() => parseStreamPlace(text)).toThrow(MayflyError)
  })

  test('of any text is a place that reads back, or ENDPOINT_INVALID; port 0 only where it is asked for', () => {
    expect(parseStreamPlace('127.0.0.1:0', 0)).toMatchObject({ port: 0 })
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^(unix:|plain:)?[/a-z0-9.:[\]]{0,20}(:[0-9]{1,6})?$/))
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const place = parseStreamPlace(text)
          expect(parseStreamPlace(formatStreamPlace(place))).toEqual(place)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ENDPOINT_INVALID' })
        }
      }),
    )
  })
})
