import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { parseEndpoint } from '../../src/core/endpoint.ts'

describe('endpoints', () => {
  test.each([
    ['unix:///run/agent.sock', { kind: 'unix', path: '/run/agent.sock' }],
    ['unix:/run/agent.sock', { kind: 'unix', path: '/run/agent.sock' }],
    ['UNIX:///run/a%20b.sock', { kind: 'unix', path: '/run/a b.sock' }],
    ['tcp://127.0.0.1:8000', { kind: 'tcp', host: '127.0.0.1', port: 8000 }],
    ['tcp://[::1]:8000', { kind: 'tcp', host: '::1', port: 8000 }],
  ])('EP-08 EP-09 EP-10 %s', (text, endpoint) => {
    expect(parseEndpoint(text)).toEqual(endpoint)
  })

  test.each(['', '/run/agent.sock', 'http://127.0.0.1:80', 'unixx:///run/x', 'file:///run/x'])('EP-08 %j has no scheme of an endpoint', (text) => {
    expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'ENDPOINT_INVALID' }))
  })

  test.each(['unix://run/x.sock', 'unix:run/x.sock', 'unix://host/run/x.sock', 'unix://user@/run/x.sock', 'unix:///run/x.sock?y', 'unix:///run/x.sock#z', 'unix://', 'unix:///', 'unix:///run/', 'unix:///run/%00', 'unix:///run/%zz', 'unix:///run/ü'])('EP-09 %j is refused', (text) => {
    expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'ENDPOINT_INVALID' }))
  })

  test.each(['tcp://localhost:8000', 'tcp://127.0.0.1', 'tcp://127.0.0.1:', 'tcp://127.0.0.1:0', 'tcp://127.0.0.1:65536', 'tcp://127.0.0.1:80/', 'tcp://127.0.0.1:80/x', 'tcp://127.0.0.1:80?x', 'tcp://u@127.0.0.1:80', 'tcp://127.1:80', 'tcp://0127.0.0.1:80', 'tcp://1.2.3.256:80', 'tcp://[::1:80', 'tcp://[1.2.3.4]:80', 'tcp:127.0.0.1:80'])('EP-10 %j is refused', (text) => {
    expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'ENDPOINT_INVALID' }))
  })

  test('any text is an endpoint or refused with its code', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string().map((rest) => `unix://${rest}`), fc.string().map((rest) => `tcp://${rest}`)), (text) => {
        try {
          const endpoint = parseEndpoint(text)
          return endpoint.kind === 'tcp' ? endpoint.port > 0 : endpoint.path.startsWith('/')
        } catch (failure) {
          return failure instanceof MayflyError && failure.code === 'ENDPOINT_INVALID'
        }
      }),
    )
  })
})
