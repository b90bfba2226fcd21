// Services that check peers, in one process: argument 1 the Workload API, argument 2 how many. Each follows the revocations for itself; one after another ends and another
// begins. Says {"event": "attached"} once all follow, and {"event": "heard", "atMs"} whenever the first of them heard of a revocation.
import { startRevocationFeed, X509Source } from '../../src/client/index.ts'
import { systemClock } from '../../src/system/clock.ts'

const [socket = '', count = '10'] = process.argv.slice(2)
const stop = new AbortController()
process.stdin.on('end', () => stop.abort()).resume()
/** How long one lives before another takes its place; the first stays. */
const livesMs = 5_000

await using source = await X509Source.start({ endpoint: `unix://${socket}` })
const feeds = await Promise.all(Array.from({ length: Number(count) }, async () => startRevocationFeed(source, { class: 'standard', software: 'soak' })))
await Promise.all(feeds.map(async (feed) => feed.synced))
feeds[0]?.onRevoked(() => console.log(JSON.stringify({ event: 'heard', atMs: systemClock.nowMs() })))
console.log(JSON.stringify({ event: 'attached' }))
for (let turn = 0; !stop.signal.aborted; turn++) {
  await systemClock.sleep(livesMs, stop.signal).catch(() => undefined) // only aborts
  const at = 1 + (turn % Math.max(1, feeds.length - 1))
  const [old] = feeds.splice(at, 1)
  await old?.[Symbol.asyncDispose]()
  if (!stop.signal.aborted && old !== undefined) {
    const next = await startRevocationFeed(source, { class: 'standard', software: 'soak' })
    await next.synced
    feeds.splice(at, 0, next)
  }
}
for (const feed of feeds) await feed[Symbol.asyncDispose]()
