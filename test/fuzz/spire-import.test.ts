import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { planImport } from '../../src/cli/spire-import/plan.ts'
import { planBundles } from '../../src/cli/spire-import/bundles.ts'
import { planJson } from '../../src/cli/spire-import/report.ts'
import { agentsOf, bundlesOf, entriesOf } from '../../src/cli/spire-import/read-json.ts'
import { OwnerMap } from '../../src/cli/spire-import/rules.ts'
import { isSpiffeId, trustDomainOf } from '../../src/core/spiffe-id.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'
import { root } from '../support/product/process.ts'
import { nowSeconds } from '../support/spire/registry.ts'

const printed = (name: string): string => JSON.stringify(JSON.parse(readFileSync(join(root, `test/vectors/spire/${name}.json`), 'utf8')))
const originals = [printed('entry-show'), printed('agent-list'), printed('bundle-list')]
const marks = ['"entries":[', '"bundles":[', '"x509_authorities":[{"asn1":"', '"sequence_number":"-5"', '"agents":[', '"spiffe_id":{"trust_domain":"other.org","path":"/x"}', '"path":"/spire/server"', '"path":"//"', '"path":"/a/task/b"', '"expires_at":"-1"', '"expires_at":1e400', '"selectors":[]', '"admin":1', '"__proto__":{"admin":true}', '"constructor":null', 'null', '{}', '[]', '\\u0000', '\\u202e', '[['.repeat(300)]
const id = fc.record({ trust_domain: fc.constantFrom('example.org', 'other.org', '', 'EXAMPLE.org'), path: fc.constantFrom('', '/', '/a', '/spire/server', '/spire/agent/join_token/x', '/a/task/1') })
const entry = fc.record(
  { id: fc.oneof(fc.constantFrom('a', 'b'), fc.jsonValue()), spiffe_id: fc.oneof(id, fc.jsonValue()), parent_id: fc.oneof(id, fc.jsonValue()), selectors: fc.oneof(fc.array(fc.record({ type: fc.constantFrom('unix', 'spiffe_id', ''), value: fc.string() }), { maxLength: 3 }), fc.jsonValue()), expires_at: fc.oneof(fc.integer(), fc.jsonValue()), admin: fc.oneof(fc.boolean(), fc.jsonValue()) },
  { requiredKeys: [] },
)
const structured = fc.record({ entries: fc.array(entry, { maxLength: 8 }), agents: fc.array(fc.record({ id, attestation_type: fc.string(), x509svid_expires_at: fc.oneof(fc.integer(), fc.jsonValue()), banned: fc.boolean() }, { requiredKeys: [] }), { maxLength: 4 }) }).map((value) => JSON.stringify(value))

fuzz('spire-import', "what is said to be SPIRE's JSON is planned, an entry a fate and none that moves into another trust domain, or refused with a code", textForm, fc.oneof(textEdits(originals, marks), structured), (text) => {
  let registry
  try {
    registry = { entries: text.includes('"entries"') || !text.includes('"bundles"') ? entriesOf(text, 'f') : [], agents: text.includes('"agents"') ? agentsOf(text, 'f') : undefined, bundles: text.includes('"bundles"') ? bundlesOf(text, 'f') : undefined }
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(['INVALID_ARGUMENT', 'LIMIT_EXCEEDED']).toContain(error instanceof MayflyError ? error.code : '')
    return
  }
  const plan = planImport(registry, { trustDomain: 'example.org', nowSeconds, owners: new OwnerMap(new Map(), 'x'), parents: new Map(), capTtlSeconds: undefined, all: true, bundles: new Set(), existing: [], agentIds: new Set() })
  expect(plan).toHaveLength(registry.entries.length)
  for (const { entry: { spiffeId, parentId, unknown }, fate } of plan) {
    if (fate.kind !== 'moves') continue
    for (const moved of [spiffeId, parentId]) expect(isSpiffeId(moved) && trustDomainOf(moved)).toBe('example.org')
    expect(unknown).toEqual([])
  }
  const bundles = planBundles(registry.bundles ?? [], [])
  expect(bundles).toHaveLength(registry.bundles?.length ?? 0)
  JSON.stringify(planJson(registry, plan, bundles))
})
