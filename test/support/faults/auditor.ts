// A verifier that writes down what it accepts. It judges the chains that it is given again and again, in each class, and serves over mTLS in each
// class, where a client of its own comes with their credentials and keeps its connection for as long as it may. Argument, JSON: {"socket", "heads"}.
// Takes lines {"watch", "chain", "key"}; says {"event": "synced"}, {"event": "verdict", …} whenever one changes, and {"event": "accepted", …} each tenth of a
// second of that. Times are CLOCK_MONOTONIC, one for all processes of the machine.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { connect, type TLSSocket } from 'node:tls'
import { createTlsServer, fileHeadStore, memberOf, peerOf, startRevocationFeed, trustDomainOf, verifyX509Svid, X509Source, type StalenessClass } from '../../../src/client/index.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { elapsedMs } from '../../bench/machine.ts'
import type { Acceptance } from './audit.ts'

const { socket, heads } = JSON.parse(process.argv[2] ?? '{}') as { readonly socket: string; readonly heads: string } // our own test wrote it
const classes: readonly StalenessClass[] = ['strict', 'standard', 'available']
const never = new AbortController().signal
const lookEveryMs = 20
const writeEveryMs = 100
const reconnectMs = 400
/** A turn of the event loop that took longer was a stall: the process was stopped, or the machine had other things to do. */
const stallMs = 500

interface Peer {
  readonly name: string
  readonly chain: readonly Uint8Array[]
  readonly key: string
}

const log = { debug: () => undefined, info: () => undefined, warn: (fact: object, text: string) => console.error(JSON.stringify(fact), text), error: (fact: object, text: string) => console.error(JSON.stringify(fact), text) }
const source = await X509Source.start({ endpoint: `unix://${socket}`, startTimeoutMs: 60_000 }, { log })
const feed = await startRevocationFeed(source, { heads: fileHeadStore(heads), software: 'auditor' })
const allow = memberOf(trustDomainOf(source.current().id))
const latest = new Map<string, object>()
const verdicts = new Map<string, string>()
const names = new Map<string, string>()
let turnMs = elapsedMs()
const ports = new Map(await Promise.all(classes.map(async (wanted) => [wanted, await serve(wanted)] as const)))

createInterface(process.stdin)
  .on('line', (line) => {
    const { watch, chain, key } = JSON.parse(line) as { readonly watch: string; readonly chain: readonly string[]; readonly key: string } // our own test wrote it
    follow({ name: watch, chain: chain.map((der) => Buffer.from(der, 'base64')), key })
  })
  .on('close', () => process.exit(0))
void feed.synced.then(() => say('synced', {}))
say('started', {})

void write()

function follow(peer: Peer): void {
  names.set(toHex(parseCertificate(peer.chain[0] ?? new Uint8Array(0)).serial), peer.name)
  void judge(peer)
  for (const wanted of classes) void visit(peer, wanted)
}

async function judge(peer: Peer): Promise<void> {
  for (;;) {
    const atMs = elapsedMs()
    turnMs = atMs
    for (const wanted of classes) {
      const verdict = verdictOf(peer, wanted)
      const key = `${peer.name} ${wanted}`
      if (verdicts.get(key) !== verdict) {
        verdicts.set(key, verdict)
        say('verdict', { peer: peer.name, class: wanted, verdict, atMs })
      }
      if (verdict.startsWith('accepted')) accepted(peer.name, wanted, 'check', atMs)
    }
    await systemClock.sleep(lookEveryMs, never)
  }
}

function verdictOf({ chain }: Peer, wanted: StalenessClass): string {
  try {
    const verdict = verifyX509Svid(chain, { bundles: source.bundles, allow, revocation: feed, nowMs: source.nowMs(), class: wanted })
    return verdict.kind === 'accepted' && verdict.stale ? 'accepted, stale' : verdict.kind
  } catch {
    return 'no bundle'
  }
}

function accepted(peer: string, wanted: StalenessClass, how: Acceptance['how'], atMs: number): void {
  latest.set(`${peer} ${wanted} ${how}`, { peer, class: wanted, how, atMs })
}

/** The latest of each kind since the last writing. */
async function write(): Promise<void> {
  for (;;) {
    for (const fact of latest.values()) say('accepted', fact)
    latest.clear()
    await systemClock.sleep(writeEveryMs, never)
  }
}

/** What comes over a connection is accepted when the server takes it in, by whom it knows the connection to be. */
async function serve(wanted: StalenessClass): Promise<number> {
  const server = createTlsServer(source, { allow, revocation: feed, class: wanted }, {}, (peer) => {
    peer.on('data', () => {
      const atMs = elapsedMs()
      accepted(names.get(peerOf(peer)?.serial ?? '') ?? 'unknown', wanted, atMs - turnMs < stallMs ? 'connection' : 'connection after a stall', atMs)
      peer.write('.')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // it listens on TCP
}

/** Keeps a connection to the server of a class, asks on it each twentieth of a second, and comes again when it was thrown out. */
async function visit({ chain, key }: Peer, wanted: StalenessClass): Promise<void> {
  for (;;) {
    const client: TLSSocket = connect({ host: '127.0.0.1', port: ports.get(wanted) ?? 0, cert: encodeCertificatesPem(chain), key, rejectUnauthorized: false })
    client.on('error', () => undefined).resume()
    const closed = once(client, 'close').catch(() => undefined)
    let isOpen = true
    void closed.then(() => (isOpen = false))
    while (isOpen) {
      client.write('?')
      await systemClock.sleep(50, never)
    }
    await systemClock.sleep(reconnectMs, never)
  }
}

function say(event: string, fields: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`)
}
