import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Store } from '../../../server/store/port.ts'
import { openSqliteStore } from '../../../server/store/sqlite/open.ts'
import { RevocationStream } from '../../../server/revocation/stream.ts'
import { StreamSigner } from '../../../server/revocation/stream-signer.ts'
import { emptyChainHash } from '../../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import { fromHex } from '../../../src/core/bytes.ts'
import { parseSpiffeId, type SpiffeId } from '../../../src/core/spiffe-id.ts'
import { BundleSet, explainVerdict, LiveConnections, memberOf, RevocationReader, verifyX509Svid, type ChainFacts, type Verdict } from '../../../src/verify/index.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { temporaryFolder } from '../../support/store/open.ts'
import { attest, authority as authorityRow, agentId, issue, request, sha256, spec } from '../../support/store/samples.ts'
import { authority, leaf, nowMs, serialFor, streamSigner, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const by = { name: 'uid:1000', atMs: nowMs }

async function serve(store: Store, clock: FakeClock): Promise<{ stream: RevocationStream; end(): Promise<void> }> {
  const logger = new KeptLog()
  const signer = StreamSigner.start({ clock, logger, certify: async (spki) => Promise.resolve([streamSigner(root, { spki }).der]) })
  const stream = await RevocationStream.start({ store, signer, clock, logger })
  return {
    stream,
    end: async () => {
      await stream[Symbol.asyncDispose]()
      await signer[Symbol.asyncDispose]()
    },
  }
}

/** Reads until the reader stands at the stream's head and is fresh; time passes meanwhile. */
async function catchUp(stream: RevocationStream, reader: RevocationReader, from: StreamHead, clock: FakeClock, store: Store): Promise<string[]> {
  const ends = new AbortController()
  const kinds: string[] = []
  const passing = passTime(clock, store, ends.signal)
  for await (const message of stream.watch(from, ends.signal)) {
    kinds.push(reader.accept(message).kind)
    if (reader.position.seq === stream.head.seq && kinds.at(-1) === 'confirmed') ends.abort()
  }
  await passing
  return kinds
}

/** 50 ms for each answer of the store, so that reading its head takes about that long whatever the machine does. */
async function passTime(clock: FakeClock, store: Store, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await store.stream.head()
    await clock.advance(50)
  }
}

test('a grant tree that ends in the real store: one event, every connection below is cut, a restarted server says the same', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const clock = new FakeClock(nowMs)
  const reader = new RevocationReader({ clock, anchors: () => bundles.authoritiesOf(trustDomain) })
  const notAfterMs = nowMs + 900_000
  const ids = ['/bot/task/7', '/bot/task/7/sub/a', '/bot/task/7/sub/a/sub/b', '/bot/task/8'].map((one) => parseSpiffeId(`spiffe://${trustDomain}${one}`))
  const svids: Uint8Array[] = []
  const verify = (at: number): Verdict => verifyX509Svid([svids[at] ?? new Uint8Array(0)], { bundles, allow: memberOf(trustDomain), revocation: reader, nowMs: clock.nowMs(), class: 'strict' })
  let head: StreamHead
  {
    await using store = await openSqliteStore({ path, trustDomain, nowMs })
    await store.authorities.prepare(authorityRow('root', { id: root.id, certificate: root.der, notBeforeMs: nowMs }), by)
    await store.authorities.activate(root.id, by)
    await attest(store, agentId)
    const server = await serve(store, clock)
    const { entryId: _entryId, ...plain } = request(1, { authorityId: root.id, notBeforeMs: nowMs - 10_000, notAfterMs })
    const serials = await issue(store, ...ids.map((spiffeId) => ({ ...plain, spiffeId, publicKeyHash: sha256(spiffeId) })))
    for (const [at, serial] of serials.entries()) svids.push(leaf(root, { serial: fromHex(serial) ?? new Uint8Array(0), notAfterMs, uri: ids[at] ?? '' }).der)
    await catchUp(server.stream, reader, { epoch: 0, seq: 0, chainHash: emptyChainHash }, clock, store)
    const cut: string[] = []
    using connections = new LiveConnections(reader)
    for (const at of ids.keys()) {
      const verdict = verify(at)
      if (verdict.kind !== 'accepted') throw new Error(verdict.kind)
      connections.add(verdict.facts, (reason) => cut.push(`${at} ${reason}`))
    }
    await store.targets.closePrefix(ids[1] ?? parseSpiffeId(''), { untilMs: 0, cause: 'operator', reason: 'over' }, by)
    await catchUp(server.stream, reader, reader.position, clock, store)
    expect(cut).toEqual(['1 revoked', '2 revoked'])
    expect(ids.map((_id, at) => verify(at).kind)).toEqual(['accepted', 'revoked', 'revoked', 'accepted'])
    expect(verify(2)).toMatchObject({ closedPrefix: ids[1] })
    expect(explainVerdict(verify(2))).toBe(`its grant has ended: ${ids[1] ?? ''}`)
    expect(connections.size).toBe(2)
    expect(server.stream.head.seq).toBe(2)
    head = server.stream.head
    await server.end()
  }
  await using store = await openSqliteStore({ path, trustDomain, nowMs })
  const server = await serve(store, clock)
  expect(server.stream.head).toEqual(head)
  expect(new Set(await catchUp(server.stream, reader, reader.position, clock, store))).toEqual(new Set(['confirmed']))
  const newcomer = new RevocationReader({ clock, anchors: () => bundles.authoritiesOf(trustDomain) })
  await catchUp(server.stream, newcomer, newcomer.position, clock, store)
  expect(newcomer.check(factsOf(ids[2] ?? parseSpiffeId(''), notAfterMs)).kind).toBe('revoked')
  await server.end()
})

/** Of a credential that never had a bit. */
function factsOf(id: SpiffeId, notAfterMs: number): ChainFacts {
  return { id, serial: serialFor(notAfterMs, 99), notAfterMs, authorityId: root.id, aboveIds: [] }
}

test('revoked in the real store: the server knows when the call returns, a verifier cuts and refuses, a restarted server says the same and readers resume', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const clock = new FakeClock(nowMs)
  const reader = new RevocationReader({ clock, anchors: () => bundles.authoritiesOf(trustDomain) })
  let svid: Uint8Array
  const verify = (): Verdict => verifyX509Svid([svid], { bundles, allow: memberOf(trustDomain), revocation: reader, nowMs: clock.nowMs(), class: 'strict' })
  let head: StreamHead
  {
    await using store = await openSqliteStore({ path, trustDomain, nowMs })
    await store.authorities.prepare(authorityRow('root', { id: root.id, certificate: root.der, notBeforeMs: nowMs }), by)
    await store.authorities.activate(root.id, by)
    await attest(store, agentId)
    await store.entries.create([spec(1)], by)
    const server = await serve(store, clock)
    const notAfterMs = nowMs + 900_000
    const [serial = ''] = await issue(store, request(1, { authorityId: root.id, notBeforeMs: nowMs - 10_000, notAfterMs }))
    svid = leaf(root, { serial: fromHex(serial) ?? new Uint8Array(0), notAfterMs }).der
    expect(await catchUp(server.stream, reader, { epoch: 0, seq: 0, chainHash: emptyChainHash }, clock, store)).toContain('replaced')
    const verdict = verify()
    expect(verdict.kind).toBe('accepted')
    if (verdict.kind !== 'accepted') return
    const cut: string[] = []
    using atServer = new LiveConnections(server.stream)
    using atVerifier = new LiveConnections(reader)
    atServer.add(verdict.facts, (reason) => cut.push(`server ${reason}`))
    atVerifier.add(verdict.facts, (reason) => cut.push(`verifier ${reason}`))

    const ended = await store.targets.revoke({ kind: 'entry', entryId: 'entry-1' }, { rotate: false, dryRun: false, reason: 'test' }, by)
    expect(ended.hits.credentials).toBe(1)
    expect(server.stream.check(verdict.facts).kind).toBe('revoked')
    expect(cut).toEqual(['server revoked'])
    await catchUp(server.stream, reader, reader.position, clock, store)
    expect(cut).toEqual(['server revoked', 'verifier revoked'])
    expect(verify().kind).toBe('revoked')
    head = server.stream.head
    expect(head.seq).toBe(ended.streamSeq)
    await server.end()
  }
  await using store = await openSqliteStore({ path, trustDomain, nowMs })
  const server = await serve(store, clock)
  expect(server.stream.head).toEqual(head)
  expect(new Set(await catchUp(server.stream, reader, reader.position, clock, store))).toEqual(new Set(['confirmed']))
  expect(verify().kind).toBe('revoked')
  await server.end()
})
