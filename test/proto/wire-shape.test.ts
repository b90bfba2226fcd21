import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { wireTable } from './wire-table.ts'

const root = join(import.meta.dirname, '../..')
const files = ['spire/api/agent/debug/v1/debug.proto', 'spire/api/agent/delegatedidentity/v1/delegatedidentity.proto', ...['agent', 'bundle', 'debug', 'entry', 'localauthority', 'logger', 'svid', 'trustdomain'].map((name) => `spire/api/server/${name}/v1/${name}.proto`), 'workload.proto']

test("the wire is SPIRE's and the Workload API's: names, numbers, types, streams", () => {
  const wanted = readFileSync(join(root, 'test/vectors/wire-shape.txt'), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(wireTable(join(root, 'proto'), files)).toEqual(wanted)
})

test('EP-15 the Workload API has the methods of the standard and no other', () => {
  const methods = wireTable(join(root, 'proto'), ['workload.proto']).filter((line) => line.startsWith('method')).map((line) => line.split(' ')[1])
  expect(methods).toEqual(['FetchJWTBundles', 'FetchJWTSVID', 'FetchWITBundles', 'FetchWITSVID', 'FetchX509Bundles', 'FetchX509SVID', 'ValidateJWTSVID'].map((name) => `/SpiffeWorkloadAPI/${name}`))
})
