import { describe, expect, test } from 'vitest'

import { serverSettings, parseServerConfig } from '../../server/config.ts'
import type { ServerConfig } from '../../server/config.ts'
import { LiveConfig } from '../../src/config/live.ts'

const base = 'trustDomain: example.org\n'

function liveOf(text: () => string): LiveConfig<ServerConfig> {
  const parse = (): ServerConfig => parseServerConfig(text(), { logLevel: undefined }, 'server.yaml', 0)
  return new LiveConfig(parse(), serverSettings, parse)
}

describe('a configuration that is read again', () => {
  test('what can change is in force, what cannot is named and stays', () => {
    let text = base
    const live = liveOf(() => text)
    const heard: string[] = []
    live.onChange(({ logLevel }) => heard.push(logLevel))
    text = `${base}logLevel: debug\nlisten: 0.0.0.0:1\nca:\n  x509SvidTtl: 5m\nlimits:\n  entriesPerSecond: 7\n`
    expect(live.reload()).toEqual({ applied: ['ca.x509SvidTtl', 'limits', 'logLevel'], waiting: ['listen'] })
    expect(live.current).toMatchObject({ logLevel: 'debug', x509SvidTtlMs: 300_000, limits: { entriesPerSecond: 7 }, listen: { host: '127.0.0.1', port: 8081 } })
    expect(heard).toEqual(['debug'])
  })

  test('what waits for a restart is named each time, until it is taken back', () => {
    let text = base
    const live = liveOf(() => text)
    text = `${base}listen: 0.0.0.0:1\n`
    expect(live.reload().waiting).toEqual(['listen'])
    expect(live.reload().waiting).toEqual(['listen'])
    text = base
    expect(live.reload()).toEqual({ applied: [], waiting: [] })
  })

  test('a file with problems changes nothing and says them all', () => {
    let text = base
    const live = liveOf(() => text)
    const before = live.current
    text = `${base}logLevel: loud\nca:\n  x509SvidTtl: never\n`
    expect(() => live.reload()).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(/logLevel[\s\S]*x509SvidTtl/) }))
    expect(live.current).toBe(before)
  })

  test('without a file there is nothing to read', () => {
    const live = new LiveConfig(parseServerConfig(base, {}, 'x', 0), serverSettings, undefined)
    expect(() => live.reload()).toThrow(expect.objectContaining({ code: 'PRECONDITION_FAILED' }))
  })
})
