import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { containers } from '../../../agent/attest/container.ts'
import { Docker } from '../../../agent/attest/docker.ts'
import { systemd } from '../../../agent/attest/systemd.ts'
import { unix } from '../../../agent/attest/unix.ts'
import { keepsAgentId, unservedKind, workloadKinds } from '../../../src/cli/spire-import/served.ts'
import { parseSelector } from '../../../src/core/selector.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { root } from '../../support/product/process.ts'

test("the types it knows are those of the agent's attestors", () => {
  const processes = { cgroupOwners: () => [], unitInvocation: () => undefined, userName: () => undefined, groupName: () => undefined }
  const sources = [unix(processes), containers(processes), systemd(processes), new Docker({ dockerSocket: undefined, podmanSocket: undefined }, { clock: new FakeClock(), processes })]
  expect([...new Set([...workloadKinds].map((kind) => kind.split(':')[0]))].toSorted()).toEqual(sources.flatMap(({ types }) => types).toSorted())
})

test('its node attestors are those of docs/attestors.md', () => {
  const page = readFileSync(join(root, 'docs/attestors.md'), 'utf8')
  expect(['join_token', 'x509pop', 'sshpop', 'http_challenge'].filter((type) => !page.includes(`| \`${type}\``))).toEqual([])
  expect(['join_token', 'x509pop', 'sshpop', 'http_challenge', 'k8s_psat'].map(keepsAgentId)).toEqual([false, true, true, true, false])
})

test('an entry with one selector that nobody states would match nothing', () => {
  expect(unservedKind(['unix:uid:7', 'k8s:pod-uid:x', 'docker:label:a:b'].map(parseSelector))).toBeUndefined()
  expect(unservedKind(['unix:uid:7', 'k8s:ns:shop'].map(parseSelector))).toBe('k8s:ns')
})
