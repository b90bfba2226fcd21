import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { TlsOptions, TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { guardOf } from '../../src/client/connection-guard.ts'
import type { PeerTerms } from '../../src/client/peer.ts'
import { protect, tlsServerOptions } from '../../src/client/tls-server.ts'
import type { X509Source } from '../../src/client/x509-source.ts'
import type { StalenessClass } from '../../src/core/revocation/freshness.ts'
import { systemClock } from '../../src/system/clock.ts'
import { memberOf } from '../../src/verify/authorize.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { helpers } from '../support/client/helpers.ts'
import type { Caller } from '../support/client/helpers.ts'
import { TestRevocations } from '../support/client/test-revocations.ts'
import { startSource, TestDomain, TestWorkloadApi } from '../support/client/workload-api.ts'

const home = new TestDomain('example.test')
const classes: readonly StalenessClass[] = ['strict', 'standard', 'available']

/** Both ends, each a verifier with knowledge of its own. */
async function ends(options: { readonly atServer?: TestRevocations; readonly atCaller?: TestRevocations } = {}) {
  const [serverApi, callerApi] = [await TestWorkloadApi.start(home.response('/server')), await TestWorkloadApi.start(home.response('/caller'))]
  const [server, caller] = [await startSource(serverApi), await startSource(callerApi)]
  const { atServer = new TestRevocations(), atCaller = new TestRevocations() } = options
  const allow = memberOf(home.trustDomain)
  const serverTerms: PeerTerms = { allow, revocation: atServer }
  const callerTerms: PeerTerms = { allow, revocation: atCaller }
  return { serverApi, callerApi, server, caller, atServer, atCaller, serverTerms, callerTerms }
}

function kept<T extends Caller>(caller: T): T {
  onTestFinished(() => caller[Symbol.asyncDispose]())
  return caller
}

/** How many open connections this verifier holds. */
function held(revocations: TestRevocations): number {
  return guardOf(revocations, systemClock)?.size ?? 0
}

describe.each(helpers)('$name', (helper) => {
  test('a client that is revoked is cut by the server, without having asked anything, and gets no new connection; another goes on', async () => {
    const { server, caller, atServer, atCaller, serverTerms, callerTerms } = await ends()
    const port = await helper.serve(server, serverTerms)
    const other = await startSource(await TestWorkloadApi.start(home.response('/other')))
    const [asked, untouched] = [kept(helper.caller(caller, callerTerms, port)), kept(helper.caller(other, callerTerms, port))]
    const before = await asked.ask()
    const ofOther = await untouched.ask()
    expect(before.serial).toBe(caller.current().serial)
    expect(held(atServer)).toBe(2)
    atServer.revoke(before.serial)
    await expect.poll(() => [held(atServer), held(atCaller)]).toEqual([1, 1]) // closed at the other end too
    await expect(asked.ask()).rejects.toThrow()
    expect(await untouched.ask()).toEqual(ofOther)
  })

  test('a server that is revoked is cut by the client, which makes no new connection to it', async () => {
    const { server, caller, atServer, atCaller, serverTerms, callerTerms } = await ends()
    const asked = kept(helper.caller(caller, callerTerms, await helper.serve(server, serverTerms)))
    await asked.ask()
    atCaller.revoke(server.current().serial)
    await expect.poll(() => [held(atServer), held(atCaller)]).toEqual([0, 0])
    await expect(asked.ask()).rejects.toThrow(/refused/)
  })

  test('a superseded one keeps its connection, on either side, and makes no new one', async () => {
    const { server, caller, atServer, atCaller, serverTerms, callerTerms } = await ends()
    const port = await helper.serve(server, serverTerms)
    const asked = kept(helper.caller(caller, callerTerms, port))
    const before = await asked.ask()
    atServer.supersede(before.serial)
    atCaller.supersede(server.current().serial)
    expect(await asked.ask()).toEqual(before)
    await expect(kept(helper.caller(caller, callerTerms, port)).ask()).rejects.toThrow() // by the client
    await expect(kept(helper.caller(caller, { ...callerTerms, revocation: new TestRevocations() }, port)).ask()).rejects.toThrow() // by the server
    expect(await asked.ask()).toEqual(before)
  })

  test('both ends are renewed again and again under requests on kept and on new connections: none fails', async () => {
    const { serverApi, callerApi, server, caller, serverTerms, callerTerms } = await ends()
    const port = await helper.serve(server, serverTerms)
    const asked = kept(helper.caller(caller, callerTerms, port))
    const first = await asked.ask()
    const failures: unknown[] = []
    const serials = new Set<string>()
    let requests = 0
    let isOver = false
    const load = async (perConnection: number): Promise<void> => {
      while (!isOver) {
        await using fresh = helper.caller(caller, callerTerms, port)
        for (let at = 0; at < perConnection && !isOver; at++) {
          requests++
          await fresh.ask().then(({ serial }) => serials.add(serial), (failure: unknown) => failures.push(failure))
        }
      }
    }
    const loads = [load(1), load(10), load(Number.POSITIVE_INFINITY)]
    for (let round = 0; round < 20; round++) {
      const seen = serials.size
      serverApi.set(home.response('/server'))
      callerApi.set(home.response('/caller'))
      while (serials.size === seen && failures.length === 0) await asked.ask() // until requests were made with the new one
    }
    isOver = true
    await Promise.all(loads)
    expect(failures).toEqual([])
    expect(serials.size).toBeGreaterThanOrEqual(20)
    expect(requests).toBeGreaterThan(40)
    expect(await asked.ask()).toEqual(first) // one and the same connection all along
  })

  test('the class is chosen for each call and each listener: what each takes by the age of its knowledge', async () => {
    const { server, caller, atServer, atCaller, serverTerms, callerTerms } = await ends()
    const outcomes: string[] = []
    for (const ageMs of [2_900, 3_100, 15_100]) {
      for (const side of ['server', 'client']) {
        for (const wanted of classes) {
          Object.assign(side === 'server' ? atServer : atCaller, { ageMs })
          Object.assign(side === 'server' ? atCaller : atServer, { ageMs: 0 })
          const port = await helper.serve(server, side === 'server' ? { ...serverTerms, class: wanted } : serverTerms)
          await using asked = helper.caller(caller, side === 'client' ? { ...callerTerms, class: wanted } : callerTerms, port)
          outcomes.push(`${ageMs} ${side} ${wanted}: ${await asked.ask().then(() => 'yes', () => 'no')}`)
        }
      }
    }
    expect(outcomes).toEqual(
      [2_900, 3_100, 15_100].flatMap((ageMs) => ['server', 'client'].flatMap((side) => classes.map((wanted) => `${ageMs} ${side} ${wanted}: ${wanted === 'available' || ageMs < (wanted === 'strict' ? 3_000 : 15_000) ? 'yes' : 'no'}`))),
    )
  })

  test('an open connection stays for as long as its class allows without news: strict and standard ones are closed then, available ones go on', async () => {
    const { server, caller, atServer, atCaller, serverTerms, callerTerms } = await ends()
    const asked = new Map<StalenessClass, Caller>()
    for (const wanted of classes) asked.set(wanted, kept(helper.caller(caller, callerTerms, await helper.serve(server, { ...serverTerms, class: wanted }))))
    const before = await Promise.all([...asked.values()].map(async (one) => one.ask()))
    expect(held(atServer)).toBe(3)
    atServer.ageMs = 3_100
    await expect.poll(() => [held(atServer), held(atCaller)]).toEqual([2, 2])
    await expect(asked.get('strict')?.ask()).rejects.toThrow()
    expect(await asked.get('standard')?.ask()).toEqual(before[1])
    atServer.ageMs = 15_100
    await expect.poll(() => [held(atServer), held(atCaller)]).toEqual([1, 1])
    await expect(asked.get('standard')?.ask()).rejects.toThrow()
    expect(await asked.get('available')?.ask()).toEqual(before[2])
    atServer.ageMs = 0
    await expect.poll(async () => (await asked.get('strict')?.ask().catch(() => undefined))?.serial).toBe(caller.current().serial) // and they are let in again
  })

  test('a client is closed in the same way on knowledge that is too old for its class', async () => {
    const { server, caller, atServer, atCaller, serverTerms, callerTerms } = await ends({ atCaller: new TestRevocations('standard') })
    const port = await helper.serve(server, serverTerms)
    const asked = kept(helper.caller(caller, { ...callerTerms, class: 'available' }, port)) // the verifier's own class is the least
    await asked.ask()
    atCaller.ageMs = 15_100
    await expect.poll(() => [held(atServer), held(atCaller)]).toEqual([0, 0])
    await expect(asked.ask()).rejects.toThrow(/stale/)
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('the server resumes no session that it is offered, and a revoked client comes in by none (%s)', async (version) => {
    const { server, caller, atServer, serverTerms } = await ends()
    const port = await helper.serve(server, serverTerms)
    const first = await visit(caller, port, { version, protocols: helper.protocols })
    expect(first).toMatchObject({ isLetIn: true, isReused: false })
    expect(await visit(caller, port, { version, protocols: helper.protocols, session: first.session })).toMatchObject({ isLetIn: true, isReused: false })
    atServer.revoke(caller.current().serial)
    expect((await visit(caller, port, { version, protocols: helper.protocols, session: first.session })).isLetIn).toBe(false)
  })
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a server of its own that resumes sessions, under protect (%s)', (version) => {
  /** Tickets on, and one set of keys for them. */
  async function resuming(source: X509Source, terms: PeerTerms): Promise<number> {
    const options: TlsOptions = { ...tlsServerOptions(source), secureOptions: 0, ticketKeys: Buffer.alloc(48, 7), sessionIdContext: 'x' }
    const server = protect(createServer(options, (socket) => void socket.on('data', () => void socket.write('in'))), source, terms)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port // it listens on TCP
  }

  test('a resumed session is judged by the certificate that it began with: let in while that is good, refused once it is revoked', async () => {
    const { server, caller, atServer, serverTerms } = await ends()
    const port = await resuming(server, serverTerms)
    const { session } = await visit(caller, port, { version })
    expect(await visit(caller, port, { version, session })).toMatchObject({ isLetIn: true, isReused: true })
    atServer.revoke(caller.current().serial)
    expect((await visit(caller, port, { version, session })).isLetIn).toBe(false)
    expect(held(atServer)).toBe(0)
  })

  test('under strict none is taken: each connection proves its key', async () => {
    const { server, caller, serverTerms } = await ends()
    const port = await resuming(server, { ...serverTerms, class: 'strict' })
    const { session, isLetIn } = await visit(caller, port, { version })
    expect(isLetIn).toBe(true)
    expect((await visit(caller, port, { version, session })).isLetIn).toBe(false)
    expect((await visit(caller, port, { version })).isLetIn).toBe(true)
  })
})

interface Visit {
  /** The server kept the connection open and spoke, or waited for more. */
  readonly isLetIn: boolean
  readonly isReused: boolean
  readonly session: Buffer | undefined
}

/** A connection by Node's own client with the source's credential, as a thief of it would make: it keeps sessions and offers them. */
async function visit(source: X509Source, port: number, options: { readonly version: 'TLSv1.2' | 'TLSv1.3'; readonly protocols?: readonly string[]; readonly session?: Buffer | undefined }): Promise<Visit> {
  const { certificateChain, privateKey } = source.current()
  const { version, protocols = [], session } = options
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port,
    cert: encodeCertificatesPem(certificateChain),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
    ...(session === undefined ? {} : { session }),
  })
  socket.on('error', () => undefined)
  let offered: Buffer | undefined
  socket.on('session', (given) => (offered = given))
  const closed = new Promise<boolean>((resolve) => void socket.once('close', () => resolve(false)))
  const spoken = new Promise<boolean>((resolve) => void socket.once('data', () => resolve(true)))
  await Promise.race([once(socket, 'secureConnect').catch(() => undefined), closed])
  const isReused = !socket.destroyed && socket.isSessionReused()
  socket.write(protocols[0] === 'h2' ? 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0' : 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'latin1')
  const isLetIn = await Promise.race([spoken, closed])
  const resumable = offered ?? (socket.destroyed ? undefined : socket.getSession())
  socket.destroy()
  return { isLetIn, isReused, session: resumable }
}
