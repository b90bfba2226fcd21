// A workload of the tour, as a user would write one with mayfly/client: `serve <peer>`, `call <peer>`, `ask`. It knows the path of a
// socket and whom it wants to talk to, and nothing else. One fact a line on stdout; it ends when its stdin closes.
import process from 'node:process'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'

import { connectTls, createTlsServer, exactly, MayflyError, parseSpiffeId, peerOf, startRevocationFeed, WorkloadApi, X509Source } from '../../client/index.ts'
import type { PeerTerms } from '../../client/index.ts'
import { encodeCertificatesPem } from '../../x509/pem.ts'
import { systemClock } from '../../system/clock.ts'

const [role = '', peer = ''] = process.argv.slice(2)
const ended = new AbortController()
const orders = new Map<string, (argument: string) => Promise<void>>()
const ready = Promise.withResolvers<void>()

process.on('SIGINT', () => undefined) // the tour decides when it is over
createInterface(process.stdin).on('line', (order) => void obey(order)).on('close', () => process.exit(0))

switch (role) {
  case 'serve':
    await serve()
    break
  case 'call':
    await call()
    break
  default:
    await ask()
}
ready.resolve()

/** db: an mTLS server that answers each line with it. */
async function serve(): Promise<void> {
  const { source, terms } = await begin()
  const server = createTlsServer(source, terms, {}, (socket) => {
    const caller = peerOf(socket)
    say('accepted', { peer: caller?.id, serial: caller?.serial })
    socket.on('data', (data) => socket.write(data))
    socket.on('error', (error) => {
      if (error instanceof MayflyError && error.code === 'PEER_REVOKED') say('cut', { peer: caller?.id, serial: caller?.serial, reason: error.message })
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    say('listening', { port: typeof address === 'object' ? address?.port : undefined })
  })
}

/** web: calls db, keeps the connection and asks again and again on it. */
async function call(): Promise<void> {
  const { source, terms } = await begin()
  let first: Pinger | undefined
  orders.set('connect', async (port) => {
    const startedMs = systemClock.nowMs()
    const socket = await connectTls(source, terms, { host: '127.0.0.1', port: Number(port) })
    const pinger = new Pinger(socket)
    first ??= pinger
    say('connected', { peer: peerOf(socket)?.id, protocol: socket.getProtocol(), tookMs: systemClock.nowMs() - startedMs, serial: source.current().serial })
  })
  orders.set('pings', async () => say('pings', { open: first?.open === true, count: first?.count, longestMs: first?.longestMs }))
  orders.set('again', async () => askAgain())
  orders.set('probe', async (port) => probe(source, Number(port)))
}

/** stranger: asks and says what it was told. */
async function ask(): Promise<void> {
  using api = WorkloadApi.connect()
  try {
    const { svids } = await api.fetchX509Context()
    say('svid', { spiffeId: svids[0].id })
  } catch (error) {
    denied(error)
  }
}

async function begin(): Promise<{ readonly source: X509Source; readonly terms: PeerTerms }> {
  const askedMs = systemClock.nowMs()
  // What the library sees of its peers: here, whom it turned away and why.
  const log = { debug: () => undefined, info: () => undefined, error: () => undefined, warn: (fact: { readonly event: string; readonly verdict?: unknown }) => refusal(fact) }
  const source = await X509Source.start({}, { log })
  let held = source.current()
  say('svid', { spiffeId: held.id, serial: held.serial, notAfterMs: held.notAfterMs, askedMs: systemClock.nowMs() - askedMs })
  source.onUpdate((event) => {
    if (event.kind === 'withdrawn') return say('withdrawn', { reason: event.reason.message })
    if (event.svid.serial !== held.serial) say('rotated', { from: held.serial, to: event.svid.serial })
    held = event.svid
  })
  const revocation = await startRevocationFeed(source)
  await revocation.synced
  return { source, terms: { allow: exactly(parseSpiffeId(peer)), revocation, class: 'standard' } }
}

function refusal({ event, verdict }: { readonly event: string; readonly verdict?: unknown }): void {
  if (event !== 'peer.refused' || typeof verdict !== 'object' || verdict === null || !('kind' in verdict)) return
  say('refused', { verdict: verdict.kind, peer: 'id' in verdict ? verdict.id : undefined })
}

/** Asks a question each quarter of a second, on one connection, and keeps the longest wait for an answer. */
class Pinger {
  count = 0
  longestMs = 0
  readonly #socket: TLSSocket
  #askedMs = 0

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', () => {
      this.count += 1
      this.longestMs = Math.max(this.longestMs, systemClock.nowMs() - this.#askedMs)
    })
    socket.on('close', () => say('closed', { answered: this.count }))
    void this.#ask()
  }

  get open(): boolean {
    return !this.#socket.destroyed
  }

  async #ask(): Promise<void> {
    while (this.open) {
      this.#askedMs = systemClock.nowMs()
      this.#socket.write('are you there?\n')
      await systemClock.sleep(250, ended.signal)
    }
  }
}

/**
 * New handshakes, one after another, with a copy of the credential as it is now, until one is turned down. A copy, as a thief would have:
 * the library itself drops a revoked identity at once. It does not check the server, as a thief would not.
 */
async function probe(source: X509Source, port: number): Promise<void> {
  const { certificateChain, privateKey, serial } = source.current()
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const cert = encodeCertificatesPem(certificateChain)
  say('probing', { serial })
  for (let calls = 1; ; calls += 1) {
    const socket = connect({ host: '127.0.0.1', port, key, cert, rejectUnauthorized: false })
    const answered = await answer(socket)
    socket.destroy()
    if (!answered) return say('turned_away', { serial, calls })
  }
}

async function answer(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true)).once('close', () => resolve(false))
    socket.on('error', () => undefined) // 'close' follows
    socket.write('?')
  })
}

/** A new call to the Workload API, as a workload that lost its identity would make. */
async function askAgain(): Promise<void> {
  using api = WorkloadApi.connect()
  try {
    const { svids } = await api.fetchX509Context()
    say('reissued', { spiffeId: svids[0].id, serial: svids[0].serial })
  } catch (error) {
    denied(error)
  }
}

function denied(error: unknown): void {
  if (error instanceof MayflyError) say('denied', { code: error.code, status: error.status, message: error.message })
  else say('failed', { message: String(error) })
}

async function obey(line: string): Promise<void> {
  const [order = '', argument = ''] = line.split(' ')
  await ready.promise
  try {
    await orders.get(order)?.(argument)
  } catch (error) {
    say('failed', { order, message: error instanceof Error ? error.message : String(error) })
  }
}

function say(event: string, fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ event, atMs: systemClock.nowMs(), ...fields })}\n`)
}
