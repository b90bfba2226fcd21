import type { TLSSocket } from 'node:tls'
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Caller } from '../../../server/api/caller.ts'
import { authorize } from '../../../server/api/authorization.ts'
import { Admins } from '../../../server/api/admins.ts'
import { Connections, standingOf } from '../../../server/api/connections.ts'
import type { CheckOutcome } from '../../../src/core/revocation/check.ts'
import type { RpcServer } from '../../../src/rpc/server.ts'
import { BundleSet, type RevocationSource } from '../../../src/verify/index.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { authority, leaf, nowMs, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
/** One that a restore ended. */
const past = authority('past')
const agent = leaf(root, { uri: `spiffe://${trustDomain}/spire/agent/join_token/one`, notAfterMs: nowMs + 600_000 })
const dayMs = 86_400_000

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1'
  readonly remotePort = 4711
  destroyed = false

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

let clock: FakeClock
let outcome: CheckOutcome
let connections: Connections
let callers: Caller[]

const revocation: RevocationSource = { check: () => outcome, freshness: () => ({ ageMs: 0, aheadMs: 0, behindMs: 0 }), onRevoked: () => ({ [Symbol.dispose]: () => undefined }) }
const registry = { agents: { byId: () => ({ banned: false }) }, entries: { isAgentDisabled: () => false, isAdmin: () => false, isShut: () => false, downstreamEntry: () => undefined } }
const admins = new Admins({ rootUids: [], named: [] })

beforeEach(() => {
  clock = new FakeClock(nowMs)
  outcome = { kind: 'good' }
  callers = []
  const standing = standingOf({ registry, revocation, admins, clock })
  connections = new Connections({ trustDomain, bundles: () => BundleSet.of({ trustDomain, x509Authorities: [root.der] }), restored: () => BundleSet.of({ trustDomain, x509Authorities: [past.der] }), revocation, standing, clock, log: new KeptLog() })
})

afterEach(async () => {
  await connections[Symbol.asyncDispose]()
  expect(clock.sleeping).toBe(0)
})

function connect(...chain: readonly Uint8Array[]): FakeSocket {
  const socket = new FakeSocket()
  const rpc = { inject: (_: unknown, caller: Caller) => callers.push(caller) } as unknown as RpcServer<Caller> // the one call that is made of it
  connections.acceptTls(socket as unknown as TLSSocket, chain, rpc) // what is read of it is there
  return socket
}

test('a connection ends with its SVID, by either clock', async () => {
  const [on, back] = [connect(agent.der), connect(agent.der)]
  await clock.advance(599_000)
  expect([on.destroyed, back.destroyed]).toEqual([false, false])
  clock.jump(-dayMs)
  await clock.advance(3_000)
  expect([on.destroyed, back.destroyed]).toEqual([true, true])
  clock.jump(dayMs - 602_000)
  const early = connect(agent.der)
  clock.jump(601_000)
  await clock.advance(1_000)
  expect(early.destroyed).toBe(true)
})

test('whoever stays without a certificate that counts is cut after half a minute, whatever the wall clock does', async () => {
  const sockets = [connect(), connect(leaf(authority('other')).der)]
  expect(callers.map(({ kind }) => kind)).toEqual(['anonymous', 'refused'])
  clock.jump(dayMs)
  await clock.advance(29_000)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false])
  clock.jump(-2 * dayMs)
  await clock.advance(3_000)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
})

test.each([
  ['good', false],
  ['superseded', false],
  ['revoked', true],
  ['expired', true],
] as const)('calls with an SVID that the revocation set calls %s: ended is %s', (kind, ended) => {
  connect(agent.der)
  outcome = { kind }
  const [caller] = callers
  expect(caller?.kind === 'svid' && standingOf({ registry, revocation, admins, clock }).isEnded(caller)).toBe(ended)
})

test.for(['revoked', 'superseded', 'authority_revoked'] as const)("an agent that comes with an SVID that is %s is told in SPIRE's words to attest again; a workload is not", (kind) => {
  outcome = kind === 'authority_revoked' ? { kind, authorityId: 'a' } : { kind }
  connect(leaf(root, { uri: `spiffe://${trustDomain}/spire/agent/x509pop/one`, notAfterMs: nowMs + 600_000 }).der)
  connect(leaf(root, { notAfterMs: nowMs + 600_000 }).der)
  expect(callers.map((caller) => (caller.kind === 'refused' ? caller.code : caller.kind))).toEqual(['AGENT_NOT_ACTIVE', 'PERMISSION_DENIED'])
})

test('an agent whose authority a restore ended is told apart: it may renew, and nothing else; a workload is refused', () => {
  const uri = `spiffe://${trustDomain}/spire/agent/join_token/one`
  connect(leaf(past, { uri, notAfterMs: nowMs + 600_000 }).der)
  connect(leaf(past, { notAfterMs: nowMs + 600_000 }).der)
  connect(leaf(past, { uri, notAfterMs: nowMs - 60_000 }).der)
  expect(callers.map(({ kind }) => kind)).toEqual(['outdated', 'refused', 'refused'])
  const [caller] = callers
  const standing = standingOf({ registry, revocation, admins, clock })
  const call = (method: string): void => authorize(method, caller ?? { kind: 'anonymous', address: '' }, standing)
  call('/spire.api.server.agent.v1.Agent/RenewAgent')
  call('/spire.api.server.bundle.v1.Bundle/GetBundle')
  for (const method of ['/mayfly.v1.Sync/Connect', '/spire.api.server.svid.v1.SVID/BatchNewX509SVID', '/spire.api.server.agent.v1.Agent/ListAgents']) {
    expect(() => call(method)).toThrow(expect.objectContaining({ code: 'SERVER_RESTORED' }))
  }
})
