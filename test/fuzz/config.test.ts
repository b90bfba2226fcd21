import { expect } from 'vitest'
import { parseAgentConfig } from '../../agent/config.ts'
import { parseServerConfig } from '../../server/config.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'

const originals = [
  'trustDomain: example.org\ndataDir: /var/lib/mayfly\nlisten: 127.0.0.1:8081\nadminUids: [0, 1000]\nca:\n  keyStorage: disk\n  authorityTtl: 7d\n  x509SvidTtl: 15m\n',
  '{"trustDomain": "example.org", "listen": "[::1]:8081", "dev": true, "ca": {"agentSvidTtl": "1h"}}',
  'trustDomain: example.org # whose\ndrain: 2s\nmaxConnections: 100\nlogLevel: warn\n',
  'dataDir: /tmp/agent\njoin: mayfly-join:v1:e30\nserver: 127.0.0.1:8081\nlogLevel: info\nattest:\n  bindingTier: pidfd\nlimits:\n  maxSvids: 10\nworkloadSocket: /tmp/w.sock\n',
]
const marks = ['\n', '  ', '\t', ': ', '- ', '? ', '&a ', '*a', '!!js/function ', '!!binary ', '<<: *a', '---\n', '...\n', '%YAML 1.1\n', '{', '}', '[', ']', ',', '"', "'", '|', '>', '~', 'null', 'true', 'yes', '010', '0x1f', '1e9', '.inf', '-1', '99999999999999999999', '__proto__: 1\n', 'constructor:\n', 'ca:\n', 'adminUids:\n', '\0', '\ufeff', '\u2028', '[['.repeat(300), 'a: &a [x, x]\n']

fuzz('config', 'a configuration is whole and frozen, or refused with places and words, and its text is never run', textForm, textEdits(originals, marks), (text) => {
  for (const parse of [() => parseServerConfig(text, {}, 'f', 1_000), () => parseServerConfig(text, { trustDomain: 'example.org' }, 'f', 1_000), () => parseAgentConfig(text, {}, 'f', 1_000)]) {
    let config
    try {
      config = parse()
    } catch (error) {
      expect(error).toMatchObject({ name: 'MayflyError' })
      expect(['CONFIG_INVALID', 'JOIN_LINE_INVALID']).toContain(error instanceof MayflyError ? error.code : '')
      continue
    }
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.getPrototypeOf(config)).toBe(Object.prototype)
  }
  expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
})
