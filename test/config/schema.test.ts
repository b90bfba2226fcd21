import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { agentConfigSchema, agentSettings } from '../../agent/config.ts'
import { relayConfigSchema } from '../../agent/relay/config.ts'
import { serverConfigSchema, serverSettings } from '../../server/config.ts'
import { address, duration, flag, group, integer, list, oneOf, optional, required, text, trustDomain, withDefault } from '../../src/config/fields.ts'
import { readConfig } from '../../src/config/reader.ts'
import { configSchema } from '../../src/config/schema.ts'
import type { JsonSchema } from '../../src/config/schema.ts'
import { root } from '../support/product/process.ts'

describe.each([
  ['server', serverConfigSchema(), serverSettings],
  ['agent', agentConfigSchema(), agentSettings],
  ['relay', relayConfigSchema(), {}],
] as const)('the schema of the %s', (name, schema, settings) => {
  test(`is the one that is shipped: mayfly config schema ${name} > docs/schema/${name}.schema.json`, () => {
    expect(JSON.parse(readFileSync(join(root, `docs/schema/${name}.schema.json`), 'utf8'))).toEqual(schema)
  })

  test('has every key that docs/configuration.md has a row for, and the rows have every key', () => {
    const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
    const [from, to] = { server: ['## Server', '## Agent'], agent: ['## Agent', '## Limits'], relay: ['## Relay', '## Changing'] }[name]
    const section = page.slice(page.indexOf(`\n${from}`), page.indexOf(`\n${to}`))
    const rows = [...section.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, path = '']) => path)
    expect(rows.toSorted()).toEqual(pathsOf(schema).toSorted())
  })

  test('every setting names a key that exists, whether it can change or not', () => {
    const paths = pathsOf(schema)
    expect(Object.values(settings).map(({ path }) => path).filter((path) => !paths.some((known) => known === path || known.startsWith(`${path}.`)))).toEqual([])
  })

  test('its defaults are values that the reader takes', () => {
    expect(conforms(defaultsOf(schema), { ...schema, required: [] })).toBe(true)
  })
})

const fields = {
  trustDomain: required(trustDomain()),
  listen: withDefault(address(), { host: '127.0.0.1', port: 8081 }),
  uids: optional(list(integer(0, 4_294_967_294), 3)),
  dev: withDefault(flag(), false),
  level: withDefault(oneOf('debug', 'info'), 'info'),
  ca: group({ ttl: withDefault(duration(1_000, 86_400_000), 5_400_000), name: optional(text(5)) }),
}
const schema = configSchema(fields, 'Test')

test('defaults are spelled as a file spells them', () => {
  expect(schema).toMatchObject({ required: ['trustDomain'], properties: { listen: { default: '127.0.0.1:8081' }, level: { enum: ['debug', 'info'], default: 'info' }, ca: { properties: { ttl: { default: '1h30m' } } } } })
})

test('the reader takes all that the schema takes, of values in range', () => {
  const values = fc.record(
    {
      trustDomain: fc.constantFrom('example.org', 'a', 'a-b.c'),
      listen: fc.constantFrom('127.0.0.1:0', '[::1]:65535', 'host.name:80'),
      uids: fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 4 }),
      dev: fc.boolean(),
      level: fc.constantFrom('debug', 'info', 'warn'),
      ca: fc.record({ ttl: fc.constantFrom('5s', '1h30m', '7', 'soon'), name: fc.string({ minLength: 0, maxLength: 6 }).filter((value) => !value.includes('\0')) }, { requiredKeys: [] }),
      other: fc.integer(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(values, (value) => {
      expect(readConfig(JSON.stringify(value), fields).ok, JSON.stringify(value)).toBe(conforms(value, schema))
    }),
  )
})

/** As much of JSON Schema as ours use. */
function conforms(value: unknown, schema: JsonSchema): boolean {
  const { type, enum: words, pattern, minLength, maxLength, minimum, maximum, items, maxItems, properties, required: keys } = schema
  if (Array.isArray(words)) return words.includes(value)
  if (type === 'string') return typeof value === 'string' && (typeof pattern !== 'string' || new RegExp(pattern).test(value)) && value.length >= Number(minLength ?? 0) && value.length <= Number(maxLength ?? Number.POSITIVE_INFINITY)
  if (type === 'boolean') return typeof value === 'boolean'
  if (type === 'integer') return Number.isSafeInteger(value) && Number(value) >= Number(minimum) && Number(value) <= Number(maximum)
  if (type === 'array') return Array.isArray(value) && value.length <= Number(maxItems) && value.every((item) => conforms(item, items as JsonSchema)) // an array has items
  if (typeof value !== 'object' || value === null) return false
  const known = properties as Readonly<Record<string, JsonSchema>> // an object has properties
  return ((keys ?? []) as readonly string[]).every((key) => key in value) && Object.entries(value).every(([key, each]) => known[key] !== undefined && conforms(each, known[key]))
}

function pathsOf(schema: JsonSchema, above = ''): readonly string[] {
  return Object.entries(schema['properties'] as Readonly<Record<string, JsonSchema>>).flatMap(([key, each]) => (each['properties'] === undefined ? [`${above}${key}`] : pathsOf(each, `${above}${key}.`))) // an object has properties
}

/** A group that wants a key is absent by default. */
function defaultsOf(schema: JsonSchema): object {
  const properties = Object.entries(schema['properties'] as Readonly<Record<string, JsonSchema>>).filter(([, each]) => each['required'] === undefined) // an object has properties
  return Object.fromEntries(properties.map(([key, each]) => [key, each['properties'] === undefined ? each['default'] : defaultsOf(each)]).filter(([, value]) => value !== undefined))
}
