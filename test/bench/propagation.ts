import { MayflyError } from '../../src/core/errors.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const rounds = 200
const metadata = { 'workload.spiffe.io': 'true' }

/** From the call that creates an entry until its SVID is in a waiting workload's hands; from the call that deletes it until PermissionDenied is. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  const selectors = [`unix:uid:${process.getuid?.() ?? 0}`]
  await product.createEntries([{ spiffeId: 'spiffe://example.org/always', parentId, selectors }])
  const channel = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
  const watch = new Watch(channel)
  await watch.until((ids) => ids.has('spiffe://example.org/always'))

  const created: number[] = []
  const deleted: number[] = []
  for (let at = 0; at < rounds; at++) {
    const spiffeId = `spiffe://example.org/round/${at}`
    const createdAt = elapsedMs()
    const [id = ''] = await product.createEntries([{ spiffeId, parentId, selectors }])
    created.push((await watch.until((ids) => ids.has(spiffeId))) - createdAt)
    const deletedAt = elapsedMs()
    await product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [id] })
    deleted.push((await watch.until((ids) => !ids.has(spiffeId))) - deletedAt)
  }
  watch.end()
  const denied = await deniedAfterLastEntry(product, agent.workloadSocket, parentId, selectors)
  channel.close()
  const all = [...created, ...deleted]
  return {
    name: 'propagation',
    figures: [
      { id: 'propagation.entry_p99_ms', value: percentile(all, 0.99), unit: 'ms', goal: '<= 50', note: `created p50 ${percentile(created, 0.5).toFixed(1)} ms, p99 ${percentile(created, 0.99).toFixed(1)} ms; deleted p50 ${percentile(deleted, 0.5).toFixed(1)} ms, p99 ${percentile(deleted, 0.99).toFixed(1)} ms; ${rounds} rounds, one agent` },
      { id: 'propagation.denied_ms', value: denied, unit: 'ms', note: 'the last entry deleted → PermissionDenied on the open stream, once' },
    ],
  }
}

async function deniedAfterLastEntry(product: Product, socket: string, parentId: string, selectors: readonly string[]): Promise<number> {
  const { entries } = await product.admin.unary('mayfly.v1.Registry', 'ListEntries', { filter: { parentId: { value: parentId } } })
  const channel = RpcChannel.connectUnix(socket, { clock: systemClock })
  const watch = new Watch(channel)
  await watch.until((ids) => ids.size > 0)
  if (selectors.length === 0) throw new Error('a workload without selectors has no entry')
  const start = elapsedMs()
  await product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: entries.map(({ entry }) => entry?.id ?? '') })
  const end = await watch.until((ids) => ids.size === 0)
  watch.end()
  channel.close()
  return end - start
}

/** The IDs of the newest message of one stream, and when it came. Opened again after a denial. */
class Watch {
  #ids: ReadonlySet<string> = new Set()
  #atMs = 0
  #wake: () => void = () => undefined
  readonly #stop = new AbortController()

  constructor(channel: RpcChannel) {
    void this.#run(channel)
  }

  /** When the state for which `wanted` holds came in. */
  async until(wanted: (ids: ReadonlySet<string>) => boolean): Promise<number> {
    while (!wanted(this.#ids)) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#atMs
  }

  end(): void {
    this.#stop.abort()
  }

  async #run(channel: RpcChannel): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        for await (const { svids } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { metadata, signal: this.#stop.signal })) this.#set(new Set(svids.map((svid) => svid.spiffeId)))
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (error instanceof MayflyError && error.status === 'PERMISSION_DENIED') this.#set(new Set())
        await systemClock.sleep(20, new AbortController().signal)
      }
    }
  }

  #set(ids: ReadonlySet<string>): void {
    this.#ids = ids
    this.#atMs = elapsedMs()
    this.#wake()
  }
}
