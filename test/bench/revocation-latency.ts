import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'
import { RelayProcess } from '../support/product/relay.ts'
import { percentile, type Figure, type Report } from './figure.ts'
import { cpuMs, elapsedMs } from './machine.ts'
import { Child } from './revocation/children.ts'
import type { FromBroadcaster, FromReaders, FromVerifiers, ToBroadcaster, ToReaders, ToVerifiers } from './revocation/protocol.ts'

type Verifiers = Child<ToVerifiers, FromVerifiers>

const fewWarmUps = 1
const usualWarmUps = 3
/** With more there are fewer rounds: each takes seconds on two cores. */
const manyVerifiers = 2_000
/** A batch with one event and its signature. */
const frameBytes = 63 + 2 + 12 + 96

/**
 * From the call that revokes a credential until the last of many verifiers refuses it, each with a connection of its own to its agent and its own set: it has verified the
 * signature, applied the batch, and its check says revoked. `--verifiers 1000 --processes 4`; `--relays 10`: not at the agent, but at so many `mayfly relay run` behind it, with as many
 * processes of verifiers; `--receipts`: verifiers that register and sign receipts; then `revoke --wait` is measured too.
 */
export async function bench(args: readonly string[] = []): Promise<Report> {
  const { values } = parseArgs({ args: process.argv.slice(2), strict: false, options: { verifiers: { type: 'string' }, relays: { type: 'string' }, processes: { type: 'string' }, rounds: { type: 'string' }, receipts: { type: 'boolean' } } })
  void args
  const count = Number(values['verifiers'] ?? 1_000)
  const relays = Number(values['relays'] ?? 0)
  const processes = Math.max(relays, Number(values['processes'] ?? (relays > 0 ? relays : 4)))
  const reports = values['receipts'] === true
  const rounds = Number(values['rounds'] ?? (count > manyVerifiers ? 10 : 25))
  const note = (what: string): void => {
    if (count > manyVerifiers) console.error(`${(elapsedMs() / 1_000 - startedSeconds).toFixed(0)} s  ${what}`)
  }
  const startedSeconds = elapsedMs() / 1_000
  const warmUps = count > manyVerifiers ? fewWarmUps : usualWarmUps
  const limit = await bareBroadcast(count, processes, Math.max(1, relays), { rounds, warmUps })
  note(`bare readers: ${limit.toFixed(0)} ms`)

  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  const config = join(folder, 'agent.yaml')
  writeFileSync(config, 'limits:\n  maxConnectionsPerUid: 20000\n  maxStreamsPerUid: 60000\n  maxStreamsPerProcess: 20000\n  maxVerifiers: 20000\n  maxConnections: 20000\n')
  const relayConfig = join(folder, 'relay.yaml')
  writeFileSync(relayConfig, 'limits:\n  maxReaders: 20000\n  maxCallsPerPeer: 60000\n')
  await using held = new AsyncDisposableStack()
  held.defer(() => rmSync(folder, { recursive: true, force: true }))
  const product = held.use(await Product.start({ agentArgs: ['--config', config] }))
  const { workloadSocket: socket } = await product.startAgent()
  for (const [at, parentId] of (await product.agentIds()).entries()) await product.createEntries([{ spiffeId: `spiffe://example.org/verifier${at}`, parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])

  const relayed: RelayProcess[] = []
  for (let at = 0; at < relays; at++) {
    relayed.push(held.use(await RelayProcess.start(join(product.dir, `r${at}`), ['--upstream', `unix:${socket}`, '--config', relayConfig])))
  }

  const children = Array.from({ length: processes }, () => held.use(new Child<ToVerifiers, FromVerifiers>('verifiers.ts')))
  for (const [at, child] of children.entries()) {
    child.say({ kind: 'connect', socket, relay: relays === 0 ? undefined : relayed[at % relays]?.socket, count: Math.floor(count / processes) + (at < count % processes ? 1 : 0), reports })
  }
  let connected = 0
  await Promise.all(
    children.map(async (child) => {
      const { count: more } = await child.heard('connected')
      connected += more
      note(`${connected} verifiers connected`)
    }),
  )

  const last: number[] = []
  const all: number[] = []
  if (reports) await allReceipted(product, count, note)
  const cpu: Cpu = nothing()
  for (let round = 0; round < rounds + warmUps; round++) {
    note(`round ${round + 1} of ${rounds + warmUps}`)
    const delays = await oneRound(product, relayed, children, count, round < warmUps ? nothing() : cpu)
    if (round < warmUps) continue
    last.push(Math.max(...delays))
    all.push(...delays)
  }
  const waits = reports ? await waitFor(product, count) : undefined
  return { name: 'revocation-latency', figures: [...figuresOf(last, all, limit, cpu, { count, relays, processes, reports, rounds }), ...(waits ?? [])] }
}

/** ms from the call to each verifier's refusal. */
async function oneRound(product: Product, relays: readonly RelayProcess[], children: readonly Verifiers[], count: number, cpu: Cpu): Promise<readonly number[]> {
  const { admin } = product
  const { svid } = await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: ['spiffe://example.org/target'] })), ttl: 600 })
  const chain = (svid?.certChain ?? []).map((der) => der.toString('base64'))
  const { credentials } = await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { spiffeId: 'spiffe://example.org/target' }, liveOnly: true, pageSize: 10 })
  const serial = credentials[0]?.serial ?? ''
  for (const child of children) child.say({ kind: 'watch', chain })
  const watching = await Promise.all(children.map(async (child) => child.heard('watching')))
  const others = watching.flatMap(({ verdicts }) => verdicts.filter((kind) => kind !== 'accepted'))
  if (others.length > 0) throw new Error(`${others.length} of ${count} verifiers do not accept before the revocation: ${[...new Set(others)].join(', ')}`)
  const before = cpuOf(product, relays, children)
  const startMs = elapsedMs()
  const revoked = admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial }, reason: 'bench' })
  const refused = await Promise.all(children.map(async (child) => child.heard('refused')))
  await revoked
  const after = cpuOf(product, relays, children)
  for (const who of ['server', 'agents', 'relays', 'verifiers'] as const) cpu[who] += after[who] - before[who]
  for (const child of children) child.say({ kind: 'verdicts' })
  const verdicts = await Promise.all(children.map(async (child) => child.heard('verdicts')))
  if (verdicts.some((one) => one.verdicts.some((kind) => kind !== 'revoked'))) throw new Error('a verifier accepts what it refused')
  return refused.flatMap(({ atMs }) => atMs.map((at) => at - startMs))
}

type Cpu = { server: number; agents: number; relays: number; verifiers: number }

function nothing(): Cpu {
  return { server: 0, agents: 0, relays: 0, verifiers: 0 }
}

/** Until the server has a receipt of each verifier for all that there is. */
async function allReceipted({ admin }: Product, count: number, note: (what: string) => void): Promise<void> {
  for (;;) {
    let pageToken = ''
    let receipted = 0
    do {
      const { verifiers, seq, nextPageToken } = await admin.unary('mayfly.v1.Verifiers', 'List', { pageToken })
      receipted += verifiers.filter((verifier) => verifier.receiptAtMs > 0 && verifier.seq === seq).length
      pageToken = nextPageToken
    } while (pageToken !== '')
    note(`receipts of ${receipted}`)
    if (receipted === count) return
    await systemClock.sleep(count > manyVerifiers ? 2_000 : 250, AbortSignal.timeout(60_000))
  }
}

/** From the call that revokes until each verifier's receipt has been checked, as `revoke --wait` waits, and what the server says of the spread. */
async function waitFor({ admin }: Product, count: number): Promise<readonly Figure[]> {
  const waits: number[] = []
  for (let round = 0; round < 5; round++) {
    const csr = Buffer.from(buildCsr(PrivateKey.generate(), { uris: ['spiffe://example.org/target'] }))
    await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr, ttl: 600 })
    const startMs = elapsedMs()
    const { epoch, streamSeq: seq } = await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/target' }, rotate: true, reason: 'bench' })
    for await (const { done, receipted, pastLimit } of admin.serverStream('mayfly.v1.Verifiers', 'AwaitReceipts', { epoch, seq })) {
      if (done && receipted !== count) throw new Error(`${receipted} of ${count} verifiers receipted, ${pastLimit.length} or more are past their limit`)
    }
    waits.push(elapsedMs() - startMs)
  }
  const { revocations } = await admin.unary('mayfly.v1.Verifiers', 'RevocationStatus', { limit: 5 })
  const worst = Math.max(...revocations.map(({ p99Ms }) => p99Ms))
  return [
    { id: 'revocation_latency.wait_ms', value: percentile(waits, 0.5), unit: 'ms', note: `call → the receipt of every verifier was checked (revoke --wait); the slowest of ${waits.length}: ${Math.max(...waits).toFixed(0)} ms` },
    { id: 'revocation_latency.receipt_p99_ms', value: worst, unit: 'ms', note: 'commit → receipt, less what it waited at the verifier, as revocation status says; the worst of the same revocations' },
  ]
}

function cpuOf({ server, agents }: Product, relays: readonly RelayProcess[], children: readonly Verifiers[]): Cpu {
  const sum = (pids: readonly number[]): number => pids.reduce((so, pid) => so + cpuMs(pid), 0)
  return { server: cpuMs(server.pid), agents: sum(agents.map(({ program }) => program?.pid ?? 0)), relays: sum(relays.map(({ program }) => program.pid)), verifiers: sum(children.map(({ pid }) => pid)) }
}

/** The same number of bytes from bare grpc-js servers, as many as there are relays, to as many bare readers in as many processes. */
async function bareBroadcast(count: number, processes: number, broadcasters: number, { rounds, warmUps }: { readonly rounds: number; readonly warmUps: number }): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  await using held = new AsyncDisposableStack()
  held.defer(() => rmSync(folder, { recursive: true, force: true }))
  const senders = Array.from({ length: broadcasters }, (_, at) => ({ child: held.use(new Child<ToBroadcaster, FromBroadcaster>('broadcaster.ts')), socket: join(folder, `s${at}`) }))
  for (const { child, socket } of senders) child.say({ kind: 'listen', socket })
  for (const { child } of senders) await child.heard('listening')
  const readers = Array.from({ length: processes }, () => held.use(new Child<ToReaders, FromReaders>('readers.ts')))
  for (const [at, reader] of readers.entries()) reader.say({ kind: 'read', socket: senders[at % broadcasters]?.socket ?? '', count: Math.floor(count / processes) + (at < count % processes ? 1 : 0) })
  await Promise.all(readers.map(async (reader) => reader.heard('reading')))
  const last: number[] = []
  for (let round = 0; round < rounds + warmUps; round++) {
    for (const { child } of senders) child.say({ kind: 'send', bytes: frameBytes })
    const sent = await Promise.all(senders.map(async ({ child }) => child.heard('sent')))
    const received = await Promise.all(readers.map(async (reader) => reader.heard('received')))
    if (round >= warmUps) last.push(Math.max(...received.flatMap(({ atMs }) => atMs)) - Math.min(...sent.map(({ atMs }) => atMs)))
  }
  return percentile(last, 0.99)
}

function figuresOf(last: readonly number[], all: readonly number[], limitMs: number, cpu: Cpu, run: { readonly count: number; readonly relays: number; readonly processes: number; readonly reports: boolean; readonly rounds: number }): readonly Figure[] {
  const { rounds } = run
  const of = `p99 over ${rounds} rounds of the last of ${run.count} bare grpc-js readers, ${frameBytes} bytes, in as many processes${run.relays > 1 ? `, from ${run.relays} bare grpc-js servers` : ''}`
  const shape = `${run.count} verifiers in ${run.processes} processes on this machine, ${run.relays === 0 ? 'at the agent' : `${run.relays} mayfly relay run, ${Math.ceil(run.count / run.relays)} connections each`}${run.reports ? ', with receipts' : ''}; ${rounds} rounds`
  return [
    { id: 'revocation_latency.p99_ms', value: percentile(last, 0.99), unit: 'ms', goal: '<= 400, then 250', limit: { value: limitMs, unit: 'ms', of }, note: `call → refused by the last; p50 ${percentile(last, 0.5).toFixed(0)} ms; ${shape}` },
    { id: 'revocation_latency.cpu_ms', value: (cpu.server + cpu.agents + cpu.relays + cpu.verifiers) / rounds, unit: 'ms', note: `CPU of all processes for one revocation, heartbeats that fall into it too: server ${(cpu.server / rounds).toFixed(0)}, agents ${(cpu.agents / rounds).toFixed(0)}, relays ${(cpu.relays / rounds).toFixed(0)}, verifiers ${(cpu.verifiers / rounds).toFixed(0)}; the ${Math.ceil(run.count / run.processes)} verifiers of a process verify the signature of a frame once between them` },
    { id: 'revocation_latency.each_p50_ms', value: percentile(all, 0.5), unit: 'ms', note: 'call → refused by any one of them' },
    { id: 'revocation_latency.each_p99_ms', value: percentile(all, 0.99), unit: 'ms' },
  ]
}
