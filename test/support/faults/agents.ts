// Many agents in one process, as the server sees them: each joins with a token of its own, holds one mTLS stream of the agents' protocol, acknowledges, and comes
// back as an agent does (its retries are the agent's own). First line of its input, JSON: {"address", "tokens"}, or {"address", "count", "identity": {"key", "cert"}} to join nowhere and
// show that certificate. Says {"event": "joined", "ids"}, {"event": "synced", "atMs"} whenever each of them has all its entries and a fresh revocation frame, {"event": "back", "outagesMs"}
// with it after the first time: for how long each was without; and {"event": "changed", "id", "atMs"} when one is told of another entry.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createSecureContext } from 'node:tls'
import { nowhere, positionToWire } from '../../../agent/sync/wire.ts'
import { backoffMs } from '../../../agent/rotation/schedule.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { elapsedMs } from '../../bench/machine.ts'
import { attest, channelTo } from '../product/agent-client.ts'

const [line] = (await once(createInterface(process.stdin).on('close', () => process.exit(0)), 'line')) as [string] // what 'line' brings
interface Crowd {
  readonly address: string
  readonly tokens?: readonly string[]
  readonly count?: number
  readonly identity?: { readonly key: string; readonly cert: string }
}
const { address, tokens = [], count = tokens.length, identity } = JSON.parse(line) as Crowd // our own test wrote it
/** As agent/member.ts has them. */
const retry = { leastMs: 100, mostMs: 5_000 }
const joinTogether = 4
const joinWithinMs = 120_000
const never = new AbortController().signal

/** When each lost its stream, while it is without. */
const without = new Map<number, number>()
let outagesMs: number[] = []
let isSyncedOnce = false

const ids: string[] = []
for (let at = 0; at < tokens.length; at += joinTogether) {
  await Promise.all(tokens.slice(at, at + joinTogether).map(async (token, offset) => {
    const key = PrivateKey.generate()
    const { chain, id } = await joined(token, key)
    const context = createSecureContext({ key: key.toPem(), cert: encodeCertificatesPem(chain), ca: [] })
    ids[at + offset] = id
    without.set(at + offset, elapsedMs())
    void live(at + offset, context)
  }))
}
if (identity !== undefined) {
  for (let at = 0; at < count; at++) {
    without.set(at, elapsedMs())
    void live(at, createSecureContext({ ...identity, ca: [] }))
  }
}
console.log(JSON.stringify({ event: 'joined', count, ids }))

/** A machine that is busy with hundreds of them may break a handshake off; the token is not spent then. */
async function joined(token: string, key: PrivateKey): ReturnType<typeof attest> {
  for (let failures = 0; ; failures++) {
    try {
      return await attest(address, token, key, joinWithinMs)
    } catch (error) {
      if (failures === 5 || !(error instanceof MayflyError && error.code === 'UNAVAILABLE')) throw error
      await systemClock.sleep(backoffMs(failures + 1, retry, systemRandom), never)
    }
  }
}

async function live(index: number, context: ReturnType<typeof createSecureContext>): Promise<void> {
  for (let failures = 0; ; ) {
    const wasSynced = await session(index, context)
    failures = wasSynced ? 1 : failures + 1
    if (!without.has(index)) without.set(index, elapsedMs())
    await systemClock.sleep(backoffMs(failures, retry, systemRandom), never)
  }
}

/** One connection, to its end. */
async function session(index: number, context: ReturnType<typeof createSecureContext>): Promise<boolean> {
  const channel = channelTo(address, context)
  const ended = new AbortController()
  let [isComplete, isFresh] = [false, false]
  async function* messages(): AsyncGenerator<object> {
    yield { hello: { agentVersion: 'fault test', position: positionToWire(nowhere) } }
    await new Promise<void>((resolve) => ended.signal.addEventListener('abort', () => resolve(), { once: true }))
  }
  try {
    for await (const { message, snapshot } of channel.bidi('mayfly.v1.Sync', 'Connect', messages())) {
      if (message === 'snapshot') isComplete ||= snapshot?.complete === true
      if (message === 'revocations') isFresh = true
      if (message === 'change') console.log(JSON.stringify({ event: 'changed', id: ids[index], atMs: elapsedMs() }))
      if (isComplete && isFresh) synced(index)
    }
  } catch {
    // the server went away
  } finally {
    ended.abort()
    channel.close()
  }
  return isComplete && isFresh
}

function synced(index: number): void {
  const sinceMs = without.get(index)
  if (sinceMs === undefined) return
  without.delete(index)
  outagesMs.push(elapsedMs() - sinceMs)
  if (without.size > 0 || outagesMs.length < count) return
  console.log(JSON.stringify({ event: isSyncedOnce ? 'back' : 'synced', atMs: elapsedMs(), outagesMs }))
  isSyncedOnce = true
  outagesMs = []
}
