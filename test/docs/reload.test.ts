import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { agentSettings } from '../../agent/config.ts'
import { relaySettings } from '../../agent/relay/config.ts'
import { serverSettings } from '../../server/config.ts'
import { root } from '../support/product/process.ts'

type Settings = Readonly<Record<string, { readonly path: string; readonly live: boolean }>>

const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
/** They are taken over, and change nothing once an agent has joined. */
const joining = ['join', 'joinFile', 'trustBundleFile', 'trustBundleDigest', 'insecureBootstrap']

/** Whether a row such as "`limits.*` but `limits.maxConnections`, `drain`" says so of a path. */
function isNamed(row: string, path: string): boolean {
  const names = [...row.matchAll(/(but )?`([^`]+)`/g)].map(([, but, name = '']) => ({ but: but !== undefined, name }))
  const matches = (name: string): boolean => name === path || (name.endsWith('.*') && (path.startsWith(name.slice(0, -1)) || path === name.slice(0, -2)))
  return names.some(({ but, name }) => !but && matches(name)) && !names.some(({ but, name }) => but && matches(name))
}

test.each<[string, Settings]>([
  ['a server', serverSettings],
  ['an agent', agentSettings],
  ['a relay', relaySettings],
])('what the configuration page says of %s is what a reload takes over', (who, settings) => {
  const row = page.split('\n').find((line) => line.startsWith(`| ${who} | `)) ?? ''
  const paths = Object.values(settings).filter(({ path }) => !joining.includes(path))
  const differing = paths.filter(({ path, live }) => isNamed(row, path) !== live).map(({ path, live }) => `${path}: ${live ? 'is' : 'is not'} taken over`)
  expect(differing).toEqual([])
})
