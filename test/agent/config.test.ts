import { describe, expect, test } from 'vitest'
import { parseAgentConfig } from '../../agent/config.ts'

describe('the configuration of an agent', () => {
  test('sockets are below the data folder unless they are named', () => {
    const config = parseAgentConfig('dataDir: /run/mayfly\n', {}, 'agent.yaml', 1000)
    expect(config).toMatchObject({ workloadSocket: '/run/mayfly/workload.sock', adminSocket: '/run/mayfly/admin.sock', adminUids: [1000], onlyOwnAdmin: true, keyStorage: 'disk', bindingTier: 'auto' })
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('every problem is reported at once, with its path and line', () => {
    const text = 'dataDir: /run/mayfly\nnonsense: 1\nattest:\n  bindingTier: strong\nlimits:\n  maxSvids: 0\n'
    let message = ''
    try {
      parseAgentConfig(text, {}, 'agent.yaml', 0)
    } catch (error) {
      message = String(error)
    }
    expect(message).toMatch(/agent\.yaml:2: nonsense/)
    expect(message).toMatch(/agent\.yaml:4: attest\.bindingTier/)
    expect(message).toMatch(/agent\.yaml:6: limits\.maxSvids/)
  })

  test('one admin of another uid is not kept out by the mode of the socket', () => {
    expect(parseAgentConfig('adminUids: [1001]\n', {}, 'agent.yaml', 0).onlyOwnAdmin).toBe(false)
    expect(parseAgentConfig('adminUids: [0]\n', {}, 'agent.yaml', 0).onlyOwnAdmin).toBe(true)
  })

  test('a flag stands in the place of what the file says', () => {
    expect(parseAgentConfig('logLevel: info\n', { logLevel: 'debug' }, 'agent.yaml', 0).logLevel).toBe('debug')
  })

  test('a socket path that the kernel would not take is refused', () => {
    expect(() => parseAgentConfig(`dataDir: /${'x'.repeat(120)}\n`, {}, 'agent.yaml', 0)).toThrow(/107 bytes/)
  })

  test('a join line is refused without being repeated, for it is a secret', () => {
    expect(() => parseAgentConfig('', { join: 'mayfly-join:v1:c2VjcmV0' }, 'flags', 0)).toThrow(/^(?!.*c2VjcmV0)/)
  })
})
