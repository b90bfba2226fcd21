import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { address, checked, duration, flag, group, integer, list, oneOf, optional, record, required, text, trustDomain, withDefault } from '../../src/config/fields.ts'
import { formatProblems, parseConfig, readConfig } from '../../src/config/reader.ts'

const fields = {
  trustDomain: required(trustDomain()),
  listen: withDefault(address(), { host: '127.0.0.1', port: 8081 }),
  adminUids: optional(list(integer(0, 4_294_967_294), 100)),
  dev: withDefault(flag(), false),
  logLevel: withDefault(oneOf('debug', 'info', 'warn', 'error'), 'info'),
  name: optional(text(20)),
  ca: group({ authorityTtl: withDefault(duration(1_000, 365 * 86_400_000), 7 * 86_400_000), keys: withDefault(oneOf('disk', 'memory'), 'disk') }),
}

test('a configuration in YAML is read with its defaults', () => {
  const config = parseConfig('trustDomain: example.org\nca:\n  authorityTtl: 1h30m\nadminUids: [0, 1000]\n', fields)
  expect(config).toEqual({
    trustDomain: 'example.org',
    listen: { host: '127.0.0.1', port: 8081 },
    adminUids: [0, 1000],
    dev: false,
    logLevel: 'info',
    name: undefined,
    ca: { authorityTtl: 5_400_000, keys: 'disk' },
  })
})

test('JSON is read as well', () => {
  expect(parseConfig('{"trustDomain": "a.b", "listen": "[::1]:0", "dev": true}', fields)).toMatchObject({ trustDomain: 'a.b', listen: { host: '::1', port: 0 }, dev: true })
})

test('every problem is told at once, with path and line', () => {
  const reading = readConfig('listen: nowhere\ntrust_domain: example.org\nca:\n  authorityTtl: 7\n  colour: red\nadminUids: [0, -1]\ndev: perhaps\n', fields)
  expect(reading.ok ? '' : formatProblems(reading.problems, 'server.yaml').split('\n').sort()).toEqual([
    'server.yaml: trustDomain: required',
    'server.yaml:1: listen: must be host:port',
    'server.yaml:2: trust_domain: unknown key; did you mean trustDomain?',
    'server.yaml:4: ca.authorityTtl: not a duration: "7"',
    'server.yaml:5: ca.colour: unknown key; known are authorityTtl, keys',
    'server.yaml:6: adminUids[1]: must be 0 to 4294967294',
    'server.yaml:7: dev: must be true or false',
  ])
})

test('flags stand in the place of the file, and say so when they are wrong', () => {
  expect(parseConfig('trustDomain: a.b\n', fields, { listen: '127.0.0.1:0', 'ca.keys': 'memory', adminUids: '1,2', dev: true })).toMatchObject({
    listen: { port: 0 },
    ca: { keys: 'memory', authorityTtl: 604_800_000 },
    adminUids: [1, 2],
    dev: true,
  })
  expect(() => parseConfig('trustDomain: a.b', fields, { listen: 'x' })).toThrow('listen: must be host:port (given by a flag)')
})

test.each([
  ['a key given twice', 'trustDomain: a\ntrustDomain: b\n'],
  ['an alias', 'trustDomain: a\nca: &x {}\nname: *x\n'],
  ['a text that is no mapping', '- 1\n'],
  ['two documents', 'trustDomain: a\n---\ntrustDomain: b\n'],
  ['a giant', `# ${'x'.repeat(1_100_000)}`],
])('%s is refused', (_, yaml) => {
  expect(readConfig(yaml, fields).ok).toBe(false)
})

test('no text makes the reader throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.string().map((value) => `trustDomain: ${value}\nca: ${value}`)), (yaml) => {
      expect(readConfig(yaml, fields).ok).toBeTypeOf('boolean')
    }),
    { numRuns: 1_000 },
  )
})

test('each item of a list is read, whatever is wrong with another', () => {
  const reading = readConfig('trustDomain: a\nadminUids:\n  - -1\n  - 7\n  - root\n', fields)
  expect(reading.ok ? '' : formatProblems(reading.problems, 'f')).toBe('f:3: adminUids[0]: must be 0 to 4294967294\nf:5: adminUids[2]: must be a whole number')
})

test('what no key can tell alone is told with the line of the key it is about, or none when it is a flag', () => {
  const pair = checked(group({ from: optional(integer(0, 9)), to: optional(integer(0, 9)) }), ({ from = 0, to = 9 }, problem) => {
    if (from > to) problem('to', 'is before from')
  })
  const shape = { pair, spans: withDefault(list(checked(record({ at: required(integer(0, 9)) }), ({ at }, problem) => {
    if (at === 5) problem('at', 'not five')
  }), 9), []) }
  const check = ({ spans }: { readonly spans: readonly unknown[] }, problem: (path: string, message: string) => void): void => {
    if (spans.length === 2) problem('spans[1].at', 'one too many')
  }
  const told = (yaml: string, flags = {}): string => {
    const reading = readConfig(yaml, shape, flags, check)
    return reading.ok ? 'good' : formatProblems(reading.problems, 'f')
  }
  expect(told('pair:\n  from: 7\n  to: 3\nspans:\n  - at: 1\n  - at: 5\n')).toBe('f:3: pair.to: is before from\nf:6: spans[1].at: not five')
  expect(told('pair: {from: 7}\n', { 'pair.to': '3' })).toBe('f: pair.to: is before from (given by a flag)')
  expect(told('spans: [{at: 1},\n  {at: 2}]\n')).toBe('f:2: spans[1].at: one too many')
  expect(told('spans: [{at: 1}]\n')).toBe('good')
})

test('a key that is there twice is named', () => {
  const reading = readConfig('trustDomain: a\ndev: true\ntrustDomain: b\n', fields)
  expect(reading.ok ? '' : formatProblems(reading.problems, 'f')).toBe('f:3: trustDomain is there twice')
})
