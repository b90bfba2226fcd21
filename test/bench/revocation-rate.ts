import { parseArgs } from 'node:util'
import { buildCrl, crlEntry } from '../../src/x509/crl.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import { decodeFrameBody, openFrame } from '../../src/core/revocation/frame.ts'
import { keptMinutes, RevocationSet } from '../../src/core/revocation/set.ts'
import { splitSnapshot } from '../../src/core/revocation/snapshot.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { systemClock } from '../../src/system/clock.ts'
import type { Request } from '../../src/rpc/services.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { Product } from '../support/product/product.ts'
import type { Figure, Report } from './figure.ts'
import { cpuMs, elapsedMs, p256Micros } from './machine.ts'

const designRate = 1_000
const batchesPerSecond = 10
/** Batches: a machine that is slower than the rate is found out, not drowned. */
const mostAtOnce = 16
const ttlSeconds = 300
const warmUpSeconds = 10

/**
 * A thousand short-lived credentials issued each second, and as many ended, as agents report that their holders have exited. `--seconds 30 --rate 1000`. What the server spends on
 * the ending is the difference to issuing alone, in the same run.
 */
export async function bench(args: readonly string[] = []): Promise<Report> {
  void args
  const { values } = parseArgs({ args: process.argv.slice(2), strict: false, options: { seconds: { type: 'string' }, rate: { type: 'string' } } })
  const seconds = Number(values['seconds'] ?? 30)
  const batchSize = Math.ceil(Number(values['rate'] ?? designRate) / batchesPerSecond)
  await using product = await Product.start()
  const limit = await p256Micros()
  using agent = await AgentClient.join((await product.joinLine()).line)
  const requests = await requestsOf(product, agent, batchSize)
  await using sync = new Ending(agent.channel)
  await using reading = new Reading(agent.channel)

  await at(warmUpSeconds, async (turn) => void (await issue(agent.channel, requests, batchSize, turn)))
  const alone = await measured(product, async () => at(seconds, async (turn) => void (await issue(agent.channel, requests, batchSize, turn))))
  const before = { bytes: reading.bytes, events: reading.events }
  const ended = await measured(product, async () =>
    at(seconds, async (turn) => {
      sync.end(await issue(agent.channel, requests, batchSize, turn))
    }),
  )
  await sync.accepted()
  const head = await product.admin.unary('mayfly.v1.Status', 'Get', {})
  await reading.reached(head.streamSeq)
  const events = reading.events - before.events
  const bytes = reading.bytes - before.bytes
  const snapshot = await snapshotBytes(agent.channel)
  return { name: 'revocation-rate', figures: await figuresOf({ seconds, batchSize, alone, ended, events, bytes, snapshot, primitives: limit.sign + limit.verify, of: limit.of }) }
}

interface Spent {
  readonly cpuMs: number
  readonly seconds: number
}

interface Run {
  readonly seconds: number
  readonly batchSize: number
  readonly alone: Spent
  readonly ended: Spent
  readonly events: number
  readonly bytes: number
  readonly snapshot: number
  readonly primitives: number
  readonly of: string
}

async function figuresOf({ seconds, batchSize, alone, ended, events, bytes, snapshot, primitives, of }: Run): Promise<readonly Figure[]> {
  const aloneUs = (alone.cpuMs * 1_000) / (batchSize * batchesPerSecond * seconds)
  const bothUs = (ended.cpuMs * 1_000) / events
  const steady = steadySetBytes()
  const list = await listBytes()
  return [
    { id: 'revocation_rate.per_second', value: events / ended.seconds, unit: '1/s', goal: '>= 1000', note: `${events} credentials issued and ended in ${ended.seconds.toFixed(1)} s, batches of ${batchSize}, each ended at once` },
    { id: 'revocation_rate.server_cpu_percent', value: ended.cpuMs / 10 / ended.seconds, unit: '%', note: `of one core, for both; ${(alone.cpuMs / 10 / alone.seconds).toFixed(0)} % for issuing alone` },
    { id: 'revocation_rate.server_cpu_us', value: bothUs - aloneUs, unit: 'us', limit: { value: primitives, unit: 'us', of: `one P-256 sign + one verify, ${of}` }, note: `CPU of the server to end one, beside ${aloneUs.toFixed(0)} us to issue it: ledger, journal, stream, one subscriber` },
    { id: 'revocation_rate.wire_bytes', value: bytes / events, unit: 'B', note: 'to each reader of the stream, for one revocation: batches, their signatures, heartbeats' },
    { id: 'revocation_rate.snapshot_bytes', value: snapshot, unit: 'B', note: `the whole set after ${seconds} s of it` },
    { id: 'revocation_rate.set_bytes', value: steady, unit: 'B', goal: '<= 100000', limit: { value: list, unit: 'B', of: 'a full CRL of the same' }, note: `the set in the long run: ${designRate} a second, ${ttlSeconds} s of life, every one ended; computed with the same code` },
  ]
}

/** So many times a second, for so long. */
async function at(seconds: number, turn: (at: number) => Promise<void>): Promise<void> {
  const turns = seconds * batchesPerSecond
  const startMs = elapsedMs()
  const under = new Set<Promise<void>>()
  for (let next = 0; next < turns; next++) {
    const waitMs = startMs + (next * 1_000) / batchesPerSecond - elapsedMs()
    if (waitMs > 0) await systemClock.sleep(waitMs, AbortSignal.timeout(60_000))
    while (under.size >= mostAtOnce) await Promise.race(under)
    const one = turn(next).finally(() => under.delete(one))
    under.add(one)
  }
  await Promise.all(under)
}

async function measured(product: Product, work: () => Promise<void>): Promise<Spent> {
  const cpuBefore = cpuMs(product.server.pid)
  const startMs = elapsedMs()
  await work()
  return { cpuMs: cpuMs(product.server.pid) - cpuBefore, seconds: (elapsedMs() - startMs) / 1_000 }
}

async function requestsOf(product: Product, agent: AgentClient, batchSize: number): Promise<{ entryId: string; csr: Uint8Array }[]> {
  const specs = Array.from({ length: 10 * batchSize }, (_, at) => ({ spiffeId: `spiffe://example.org/bench/${at}`, parentId: agent.id, selectors: [`unix:uid:${10_000 + at}`], x509SvidTtl: ttlSeconds }))
  const ids = await product.createEntries(specs)
  return ids.map((entryId) => ({ entryId, csr: buildCsr(PrivateKey.generate()) }))
}

/** The serials. */
async function issue(channel: RpcChannel, requests: readonly { entryId: string; csr: Uint8Array }[], batchSize: number, turn: number): Promise<Buffer[]> {
  const from = (turn * batchSize) % requests.length
  const { results } = await channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: requests.slice(from, from + batchSize) })
  return results.map(({ svid, status }) => {
    const [der] = svid?.certChain ?? []
    if (der === undefined) throw new Error(`an SVID was refused: ${status?.message ?? ''}`)
    return Buffer.from(parseCertificate(der).serial)
  })
}

type AgentMessage = Request<'mayfly.v1.Sync', 'Connect'>

/** An agent's stream over which the exits of holders are reported. */
class Ending implements AsyncDisposable {
  readonly #stop = new AbortController()
  readonly #queue: AgentMessage[] = [{ hello: { agentVersion: 'bench' } }]
  #wake: () => void = () => undefined
  #told: () => void = () => undefined
  #reports = 0
  #accepted = 0

  readonly #running: Promise<void>

  constructor(channel: RpcChannel) {
    this.#running = this.#run(channel)
    this.#running.catch(() => undefined) // thrown when it is let go of
  }

  end(serials: readonly Buffer[]): void {
    this.#queue.push({ ended: { serials: [...serials], reportId: ++this.#reports } })
    this.#wake()
  }

  /** All reports are durable. */
  async accepted(): Promise<void> {
    while (this.#accepted < this.#reports) await new Promise<void>((resolve) => (this.#told = resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#running
  }

  async #run(channel: RpcChannel): Promise<void> {
    try {
      for await (const { endedAccepted } of channel.bidi('mayfly.v1.Sync', 'Connect', this.#messages(), { signal: this.#stop.signal })) {
        if (endedAccepted !== null && endedAccepted !== undefined) this.#accepted = Math.max(this.#accepted, endedAccepted.reportId)
        this.#told()
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }

  async *#messages(): AsyncGenerator<AgentMessage> {
    while (!this.#stop.signal.aborted) {
      const next = this.#queue.shift()
      if (next === undefined) await new Promise<void>((resolve) => (this.#wake = resolve))
      else yield next
    }
  }
}

/** A reader of the stream that counts. */
class Reading implements AsyncDisposable {
  bytes = 0
  events = 0
  readonly #stop = new AbortController()
  #seq = 0
  #told: () => void = () => undefined

  readonly #running: Promise<void>

  constructor(channel: RpcChannel) {
    this.#running = this.#run(channel)
    this.#running.catch(() => undefined) // thrown when it is let go of
  }

  async reached(seq: number): Promise<void> {
    while (this.#seq < seq) await new Promise<void>((resolve) => (this.#told = resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(channel: RpcChannel): Promise<void> {
    try {
      for await (const { frame } of channel.serverStream('mayfly.v1.RevocationStream', 'Watch', {}, { signal: this.#stop.signal })) {
        const decoded = decodeFrameBody(openFrame(frame)?.body ?? new Uint8Array(0))
        this.bytes += frame.length
        if (decoded?.kind === 'batch') {
          this.events += decoded.events.length
          this.#seq = decoded.seq + decoded.events.length - 1
        } else this.#seq = Math.max(this.#seq, decoded?.seq ?? 0)
        this.#told()
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }
}

/** What a newcomer is sent. */
async function snapshotBytes(channel: RpcChannel): Promise<number> {
  const stop = new AbortController()
  let bytes = 0
  for await (const { frame } of channel.serverStream('mayfly.v1.RevocationStream', 'Watch', {}, { signal: stop.signal })) {
    const decoded = decodeFrameBody(openFrame(frame)?.body ?? new Uint8Array(0))
    if (decoded?.kind !== 'snapshot') continue
    bytes += frame.length
    if (decoded.part === decoded.parts - 1) break
  }
  stop.abort()
  return bytes
}

/** Minutes in which something lives, and those that are kept after. */
function steadySetBytes(): number {
  const set = new RevocationSet()
  for (let minute = 0; minute < ttlSeconds / 60 + 1 + keptMinutes; minute++) {
    for (let index = 0; index < designRate * 60; index++) set.apply({ kind: 'revoked', shard: 1, minute: 29_000_000 + minute, index })
  }
  return splitSnapshot(set.snapshot(), 1_000_000).reduce((sum, { buckets }) => sum + buckets.reduce((so, { superseded, revoked }) => so + 13 + superseded.length + revoked.length, 0), 0)
}

/** Each is in a list for as long as its certificate would live. */
async function listBytes(): Promise<number> {
  const serial = Uint8Array.from({ length: 17 }, () => 0x7f)
  const entry = crlEntry(serial, 1_767_268_800_000)
  const terms = { issuer: Uint8Array.of(0x30, 0), issuerKeyId: new Uint8Array(20), number: 1n, thisUpdateMs: 1_767_268_800_000, nextUpdateMs: 1_767_268_801_000 }
  return (await buildCrl(terms, Array.from({ length: designRate * ttlSeconds }, () => entry), { kind: 'P-256', sign: () => new Uint8Array(70) })).length
}
