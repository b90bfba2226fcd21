import { expect, onTestFinished, test } from 'vitest'
import { MayflyError } from '../../../src/core/errors.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import type { Request, ResponseOutput } from '../../../src/rpc/services.ts'
import { fromHex } from '../../../src/core/bytes.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { RevocationReader } from '../../../src/verify/reader.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { startServer, trustDomain, wireId } from '../../support/server/test-server.ts'
import type { TestAgent } from '../../support/server/test-server.ts'

type ServerMessage = ResponseOutput<'mayfly.v1.Sync', 'Connect'>
type AgentMessage = Request<'mayfly.v1.Sync', 'Connect'>

/** An agent's end of the stream: keeps what came, waits for what is to come. */
class Stream {
  readonly messages: ServerMessage[] = []
  readonly #toSend: AgentMessage[] = []
  #wakeSender: () => void = () => undefined
  #wakeReaders: (() => void)[] = []
  #failure: unknown
  readonly stop = new AbortController()

  constructor({ channel }: TestAgent, hello: AgentMessage = { hello: { agentVersion: '1.2.3' } }) {
    this.#toSend.push(hello)
    void this.#read(channel)
    onTestFinished(() => this.stop.abort())
  }

  send(message: AgentMessage): void {
    this.#toSend.push(message)
    this.#wakeSender()
  }

  async until<T>(find: (message: ServerMessage) => T | undefined | null | false, from = 0): Promise<T> {
    for (let at = from; ; at++) {
      while (at >= this.messages.length) {
        if (this.#failure !== undefined) throw this.#failure
        await new Promise<void>((resolve) => this.#wakeReaders.push(resolve))
      }
      const message = this.messages[at]
      const found = message === undefined ? undefined : find(message)
      if (found !== undefined && found !== null && found !== false) return found
    }
  }

  async #read(channel: TestAgent['channel']): Promise<void> {
    try {
      for await (const message of channel.bidi('mayfly.v1.Sync', 'Connect', this.#requests(), { signal: this.stop.signal })) {
        this.messages.push(message)
        this.#wake()
      }
      this.#failure = new Error('the stream ended')
    } catch (error) {
      this.#failure = error
    }
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#wakeReaders.splice(0)) wake()
  }

  async *#requests(): AsyncGenerator<AgentMessage> {
    while (!this.stop.signal.aborted) {
      for (let next = this.#toSend.shift(); next !== undefined; next = this.#toSend.shift()) yield next
      await new Promise<void>((resolve) => {
        this.#wakeSender = resolve
      })
    }
  }
}

const paths = (entries: readonly { readonly entry: { readonly spiffeId: { readonly path: string } | null } | null }[]): readonly string[] => entries.map(({ entry }) => entry?.spiffeId?.path ?? '')
const complete = (message: ServerMessage): boolean => message.snapshot?.complete === true
const upserted =
  (path: string) =>
  ({ change }: ServerMessage): boolean =>
    change !== undefined && change !== null && paths(change.upserted).includes(path)
const deleted =
  (id: string) =>
  ({ change }: ServerMessage): boolean | undefined =>
    change?.deletedIds.includes(id)

test('an agent gets a snapshot, the bundle and the revocations, then each change as it is committed', async () => {
  const { join, createEntries, admin } = await startServer()
  const [agent, other] = [await join(), await join()]
  const [first] = await createEntries(agent.id, ['/first'])
  const stream = new Stream(agent)
  await stream.until(complete)
  expect(stream.messages.flatMap(({ snapshot }) => paths(snapshot?.entries ?? []))).toEqual(['/first'])
  const bundle = await stream.until((message) => message.bundle)
  expect(bundle).toMatchObject({ trustDomain: 'example.org', x509Authorities: [{ tainted: false }] })
  await stream.until((message) => message.revocations)

  const [second] = await createEntries(agent.id, ['/second'])
  await createEntries(other.id, ['/other'])
  await stream.until(upserted('/second'))
  await admin.unary('spire.api.server.entry.v1.Entry', 'BatchUpdateEntry', { entries: [{ id: second ?? '', hint: 'new' }], inputMask: { hint: true } })
  expect(await stream.until(({ change }) => change?.upserted.find(({ entry }) => entry?.hint === 'new'))).toMatchObject({ entry: { id: second, revisionNumber: 1 } })
  await admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [first ?? ''] })
  await stream.until(deleted(first ?? ''))
  // An entry that moves to another parent leaves the one and reaches the other.
  await admin.unary('spire.api.server.entry.v1.Entry', 'BatchUpdateEntry', { entries: [{ id: second ?? '', parentId: wireId(other.id) }], inputMask: { parentId: true } })
  await stream.until(deleted(second ?? ''))
  expect(JSON.stringify(stream.messages)).not.toContain('/other')
  const { agents } = await admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
  expect(agents.map(({ agentVersion }) => agentVersion).toSorted()).toEqual(['', '1.2.3'])
  expect(await admin.unary('mayfly.v1.Status', 'Get', {})).toMatchObject({ agentsConnected: 1 })
})

test('a node alias made later brings its entries, and takes them away when it goes', async () => {
  const { join, createEntries, admin } = await startServer()
  const agent = await join()
  const [entry] = await createEntries('spiffe://example.org/nodes', ['/web'])
  const stream = new Stream(agent)
  await stream.until(complete)
  const [alias] = await createEntries('spiffe://example.org/spire/server', ['/nodes'], { selectors: [{ type: 'spiffe_id', value: agent.id }] })
  await stream.until(upserted('/web'))
  await admin.unary('mayfly.v1.Revocations', 'Disable', { target: { entryId: alias ?? '' }, reason: '' })
  await stream.until(deleted(entry ?? ''))
  const seen = stream.messages.length
  await admin.unary('mayfly.v1.Revocations', 'Enable', { target: { entryId: alias ?? '' }, reason: '' })
  await stream.until(upserted('/web'), seen)
})

test('revoke by ID: the bit is in the stream, the entry disappears, nothing more is issued until it is enabled', async () => {
  const { join, createEntries, admin } = await startServer()
  const agent = await join()
  const [entryId = ''] = await createEntries(agent.id, ['/web'])
  const issue = async (): Promise<ResponseOutput<'spire.api.server.svid.v1.SVID', 'BatchNewX509SVID'>['results'][number]> => {
    const { results } = await agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(PrivateKey.generate()) }] })
    if (results[0] === undefined) throw new Error('no result')
    return results[0]
  }
  const issued = await issue()
  const leaf = parseCertificate(issued.svid?.certChain[0] ?? new Uint8Array(0))
  const stream = new Stream(agent)
  await stream.until(complete)
  const bundle = await stream.until((message) => message.bundle)
  const bundles = BundleSet.of({ trustDomain, x509Authorities: bundle.x509Authorities.map(({ asn1 }) => asn1) })
  const reader = new RevocationReader({ clock: systemClock, anchors: () => bundles.authoritiesOf(trustDomain) })
  const { authorities } = await admin.unary('mayfly.v1.Status', 'Get', {})
  const facts = { id: parseSpiffeId('spiffe://td/some'), serial: leaf.serial.slice(), notAfterMs: leaf.notAfterMs, authorityId: authorities[0]?.id ?? '', aboveIds: [] }
  const outcomes: string[] = []
  let at = 0
  const readAll = (): string => {
    for (; at < stream.messages.length; at++) {
      const message = stream.messages[at]?.revocations
      if (message !== undefined && message !== null) outcomes.push(reader.accept(message).kind)
    }
    return reader.check(facts).kind
  }
  await stream.until((message) => message.revocations)
  expect(readAll()).toBe('good')

  const dry = await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/web' }, dryRun: true, reason: 'test' })
  expect(dry).toMatchObject({ credentials: 1, workloads: 1, disabled: false })
  expect(readAll()).toBe('good')
  const revoked = await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/web' }, reason: 'leaked' })
  expect(revoked).toMatchObject({ credentials: 1, disabled: true })
  await stream.until(deleted(entryId))
  await stream.until(() => readAll() === 'revoked')
  expect(outcomes).not.toContain('gap')
  expect((await issue()).status?.message).toMatch(/^TARGET_DISABLED/)
  expect(await admin.unary('mayfly.v1.Revocations', 'ListDisabled', {})).toMatchObject({ targets: [{ target: { spiffeId: 'spiffe://example.org/web' }, reason: 'leaked' }] })

  const seen = stream.messages.length
  await admin.unary('mayfly.v1.Revocations', 'Enable', { target: { spiffeId: 'spiffe://example.org/web' }, reason: 'mended' })
  await stream.until(upserted('/web'), seen)
  expect((await issue()).status?.code).toBe(0)
  const found = await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { spiffeId: 'spiffe://example.org/web' } })
  expect(found.credentials.map(({ state }) => state).toSorted()).toEqual(expect.arrayContaining(['revoked']))
})

test('a credential whose last holder exited is revoked, and the report answered; that of another agent is not', async () => {
  const { join, createEntries, admin } = await startServer()
  const [agent, other] = [await join(), await join()]
  const [entryId = ''] = await createEntries(agent.id, ['/web'])
  const { results } = await agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(PrivateKey.generate()) }] })
  const { serial } = parseCertificate(results[0]?.svid?.certChain[0] ?? new Uint8Array(0))
  const state = async (): Promise<string | undefined> => (await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { entryId } })).credentials[0]?.state
  const stranger = new Stream(other)
  stranger.send({ ended: { reportId: 7, serials: [serial, fromHex('00') ?? serial] } })
  await stranger.until((message) => message.endedAccepted?.reportId === 7)
  expect(await state()).not.toBe('revoked')
  const stream = new Stream(agent)
  stream.send({ ended: { reportId: 8, serials: [serial] } })
  await stream.until((message) => message.endedAccepted?.reportId === 8)
  expect(await state()).toBe('revoked')
})

test('a stream without hello, and with a second one, is refused', async () => {
  const { join } = await startServer()
  const agent = await join()
  await expect(new Stream(agent, { ack: { bundleSequence: 1 } }).until(() => false)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  const stream = new Stream(agent)
  stream.send({ hello: { agentVersion: 'x' } })
  await expect(stream.until(() => false)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test.each([
  ['0.4.0', 'the minor version after', undefined],
  ['0.2.9', 'the minor version before', undefined],
  ['0.5.0', 'two after', 'VERSION_UNSUPPORTED'],
  ['0.1.0', 'two before', 'VERSION_UNSUPPORTED'],
  ['custom', 'no version at all', undefined],
])('an agent of version %s at a server of 0.3.0: %s', async (agentVersion, _, code) => {
  const { join, admin } = await startServer({ deps: { version: '0.3.0' } })
  const agent = await join()
  const stream = new Stream(agent, { hello: { agentVersion } })
  if (code === undefined) await stream.until(complete)
  else await expect(stream.until(() => false)).rejects.toMatchObject({ code, hint: expect.stringContaining('upgrade the') })
  const { agents } = await admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
  expect(agents.map((one) => one.agentVersion)).toEqual([agentVersion]) // an administrator sees who it is
})

test('an agent that says another version each time is told to wait: each is a record of the journal', async () => {
  const { join, admin } = await startServer()
  const agent = await join()
  const say = async (agentVersion: string): Promise<string> =>
    agent.channel.unary('spire.api.server.agent.v1.Agent', 'PostStatus', { agentVersion }).then(
      () => 'taken',
      (error: unknown) => (error instanceof MayflyError ? error.code : 'other'),
    )
  for (let at = 0; at < 10; at++) expect(await say(`${at}`)).toBe('taken')
  expect(await say('10')).toBe('LIMIT_EXCEEDED')
  expect(await say('9')).toBe('taken')
  expect(await say('a\nb')).toBe('INVALID_ARGUMENT')
  const { agents } = await admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
  expect(agents.map(({ agentVersion }) => agentVersion)).toEqual(['9'])
})

test("a ban cuts the agent's stream", async () => {
  const { join, admin } = await startServer()
  const agent = await join()
  const stream = new Stream(agent)
  await stream.until(complete)
  await admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: wireId(agent.id) })
  await expect(stream.until(() => false)).rejects.toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|AGENT_BANNED|CANCELLED/) })
  await expect(new Stream(agent).until(() => false)).rejects.toMatchObject({ code: 'AGENT_BANNED' })
})

test('an entry that expires is taken away, and stays so', async () => {
  const { admin, join, createEntries } = await startServer()
  const agent = await join()
  const [id = ''] = await createEntries(agent.id, ['/brief'], { expiresAt: Math.floor(Date.now() / 1_000) + 3_600 })
  const stream = new Stream(agent)
  await stream.until(complete)
  expect(stream.messages.flatMap(({ snapshot }) => paths(snapshot?.entries ?? []))).toEqual(['/brief'])
  await admin.unary('spire.api.server.entry.v1.Entry', 'BatchUpdateEntry', { entries: [{ id, expiresAt: Math.floor(Date.now() / 1_000) + 1 }], inputMask: { expiresAt: true } })
  await stream.until(deleted(id))
  expect((await agent.channel.unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})).entries).toEqual([])
})

test('every committed change is an event', async () => {
  const { admin, createEntries } = await startServer()
  const stop = new AbortController()
  const names: string[] = []
  const watching = (async () => {
    for await (const event of admin.serverStream('mayfly.v1.Status', 'WatchEvents', {}, { signal: stop.signal })) {
      names.push(event.name)
      if (event.name === 'entries.created') {
        expect(JSON.parse(event.fields)).toMatchObject({ count: 1, entries: [{ spiffeId: 'spiffe://example.org/web' }] })
        return
      }
    }
  })()
  while (!names.includes('entries.created')) {
    await createEntries('spiffe://example.org/p', ['/web']).catch(() => undefined)
    const { results } = await admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: (await admin.unary('spire.api.server.entry.v1.Entry', 'ListEntries', {})).entries.map(({ id }) => id) })
    expect(results.length).toBeLessThan(2)
  }
  await watching
  stop.abort()
})
