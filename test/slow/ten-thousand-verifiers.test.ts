import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { RelayedReports } from '../../proto/generated/mayfly/v1/RelayedReports.ts'
import { X509Source } from '../../src/client/index.ts'
import { RevocationChannel } from '../../src/client/revocation-channel.ts'
import { emptyChainHash } from '../../src/core/revocation/codec.ts'
import { encodeReport, signedReportBytes, type Report } from '../../src/core/revocation/reports.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { RevocationReader } from '../../src/verify/index.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { signPlain } from '../../src/x509/signature.ts'
import { main, node24 } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

const run = promisify(execFile)
const uid = process.geteuid?.() ?? 0
const verifiers = 10_000
/** In one message of a relay. */
const registrationsAtOnce = 40
const receiptsAtOnce = 250

test('ten thousand verifiers behind one relay: all are listed, revoke --wait hears each, and the server answers others meanwhile', async () => {
  await using product = await Product.start()
  const { workloadSocket } = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  const { admin, trustDomain } = product
  await product.createEntries([{ spiffeId: `spiffe://${trustDomain}/api`, parentId, selectors: [`unix:uid:${uid}`] }])
  await using source = await X509Source.start({ endpoint: `unix://${workloadSocket}` })
  const svid = source.current()
  const channel = new RevocationChannel(RpcChannel.connectUnix(workloadSocket, { clock: systemClock }))
  const stop = new AbortController()
  let number = 1
  const sealed = (report: Report): { readonly body: Buffer; readonly signature: Buffer } => {
    const body = encodeReport(report)
    return { body: Buffer.from(body), signature: Buffer.from(signPlain(svid.privateKey, signedReportBytes(body))) }
  }
  const instance = (at: number): Buffer => {
    const bytes = Buffer.alloc(16, 1)
    bytes.writeUInt32BE(at)
    return bytes
  }

  // The stream, read once: every verifier is in the same state.
  const reader = new RevocationReader({ clock: systemClock, anchors: () => source.bundles.authoritiesOf(trustDomain) })
  let moved = (): void => undefined
  const reading = (async () => {
    for await (const message of channel.frames({ epoch: 0, seq: 0, chainHash: emptyChainHash }, stop.signal)) {
      reader.accept(message)
      moved()
    }
  })().catch(() => undefined) // ends with the abort
  const reached = async (seq: number): Promise<void> => {
    while (reader.position.seq < seq) await new Promise<void>((resolve) => (moved = resolve))
  }

  const queue: RelayedReports[] = []
  let wake = (): void => undefined
  async function* messages(): AsyncGenerator<RelayedReports> {
    while (!stop.signal.aborted) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next
      if (!stop.signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const reporting = (async () => {
    for await (const { refused } of channel.relayed(messages(), stop.signal)) throw new Error(`a registration was refused: ${refused}`)
  })()
  const reported = reporting.then(() => undefined, (error: unknown) => (stop.signal.aborted ? undefined : error))
  const say = (message: RelayedReports): void => {
    queue.push(message)
    wake()
  }
  const all = Array.from({ length: verifiers }, (_, at) => at)
  for (let from = 0; from < verifiers; from += registrationsAtOnce) {
    say({ registrations: all.slice(from, from + registrationsAtOnce).map((at) => ({ ...sealed({ kind: 'registration', instance: instance(at), number, class: 'standard', software: 'crowd' }), svidChain: svid.certificateChain.map((der) => Buffer.from(der)) })) })
  }
  const receipts = (): void => {
    number++
    const { state } = reader
    if (state === undefined) throw new Error('no state')
    const { position, floorMinute, root } = state
    for (let from = 0; from < verifiers; from += receiptsAtOnce) {
      say({ receipts: all.slice(from, from + receiptsAtOnce).map((at) => sealed({ kind: 'receipt', instance: instance(at), number, epoch: position.epoch, seq: position.seq, floorMinute, heldMs: 0, root })) })
    }
  }
  await reached(1)
  receipts()

  const listed = async (): Promise<{ readonly verifiers: number; readonly receipted: number; readonly pages: number }> => {
    let [count, receipted, pages] = [0, 0, 0]
    for (let pageToken = ''; ; ) {
      const page = await admin.unary('mayfly.v1.Verifiers', 'List', { pageToken })
      count += page.verifiers.length
      receipted += page.verifiers.filter(({ receiptAtMs }) => receiptAtMs > 0).length
      pages++
      if (page.nextPageToken === '') return { verifiers: count, receipted, pages }
      pageToken = page.nextPageToken
    }
  }
  const limit = AbortSignal.timeout(240_000)
  for (let now = await listed(); now.receipted < verifiers; now = await listed()) await systemClock.sleep(500, limit)
  expect(await listed()).toEqual({ verifiers, receipted: verifiers, pages: 10 })

  await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${trustDomain}/other`] })) })
  const { seq } = await admin.unary('mayfly.v1.Verifiers', 'List', { pageSize: 1 })
  const waiting = run(node24, [main('src/cli'), 'revoke', '--id', '/other', '--wait', '--server-socket', product.adminSocket])
  await reached(seq + 1)
  receipts()
  let answers = 0
  let slowestMs = 0
  const { stdout } = await Promise.race([
    waiting,
    (async (): Promise<never> => {
      for (;;) {
        const startMs = systemClock.bootMs()
        await admin.unary('mayfly.v1.Status', 'Get', {})
        slowestMs = Math.max(slowestMs, systemClock.bootMs() - startMs)
        answers++
        await systemClock.sleep(20, AbortSignal.timeout(60_000))
      }
    })(),
  ])
  expect(stdout).toContain(`${verifiers} of ${verifiers} verifiers have receipted it`)
  expect(answers).toBeGreaterThan(3)
  expect(slowestMs).toBeLessThan(10_000) // some 400 ms where nothing else runs
  const { stdout: list } = await run(node24, [main('src/cli'), 'verifier', 'list', '--json', '--server-socket', product.adminSocket], { maxBuffer: 64 * 1024 * 1024 })
  expect(list.trim().split('\n')).toHaveLength(verifiers)

  stop.abort()
  wake()
  moved()
  expect(await reported).toBeUndefined()
  await reading
  channel.close()
  for (let now = await listed(); now.verifiers > 0; now = await listed()) await systemClock.sleep(500, limit)
})
