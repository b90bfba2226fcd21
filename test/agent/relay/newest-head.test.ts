import { expect, test } from 'vitest'
import { NewestHead, type NewestHeadFile } from '../../../agent/relay/newest-head.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SimStream } from '../../support/revocation/sim-stream.ts'
import { nowMs, trustDomain } from '../../support/verify/certificates.ts'

class OneFile implements NewestHeadFile {
  content: string | undefined
  writes = 0

  async read(): Promise<Uint8Array | undefined> {
    return this.content === undefined ? undefined : Buffer.from(this.content)
  }

  async write(content: string): Promise<void> {
    this.writes++
    this.content = content
  }
}

const stream = new SimStream()
for (let index = 0; index < 4; index++) stream.append({ kind: 'revoked', shard: 1, minute: 40_000_000, index })
const deps = (file: NewestHeadFile, clock = new FakeClock(nowMs)) => ({ file, trustDomain, clock, log: new KeptLog() })

test('the newest frame is shown at once, written at most once a second, and when the agent ends', async () => {
  const file = new OneFile()
  const clock = new FakeClock(nowMs)
  {
    await using newest = await NewestHead.load(deps(file, clock))
    for (const seq of [1, 2, 3]) newest.took({ frame: stream.batch(seq, seq, nowMs), signerChain: [Uint8Array.of(seq)] })
    expect(newest.newest?.signerChain).toEqual([Uint8Array.of(3)])
    await clock.advance(10)
    const early = file.writes
    newest.took({ frame: stream.batch(4, 4, nowMs), signerChain: [Uint8Array.of(4)] })
    await clock.advance(10)
    expect(file.writes).toBe(early)
    await clock.advance(1_000)
    expect(file.writes).toBe(early + 1)
    newest.took({ frame: stream.heartbeat(4, nowMs + 5), signerChain: [] }) // no further than before
    await clock.advance(3_000)
    expect(file.writes).toBe(early + 1)
  }
  await using again = await NewestHead.load(deps(file))
  expect(again.newest?.signerChain.map((der) => [...der])).toEqual([[4]])
  expect(Buffer.from(again.newest?.frame ?? [])).toEqual(Buffer.from(stream.batch(4, 4, nowMs)))
})

test('a file that holds none, or is of another trust domain, is passed over', async () => {
  for (const content of ['', '{}', 'null', '{"trustDomain":"example.org","frame":"AAAA","signerChain":[]}', '{"trustDomain":"example.org","frame":7,"signerChain":{}}']) {
    const file = new OneFile()
    file.content = content
    expect((await NewestHead.load(deps(file))).newest).toBeUndefined()
  }
  const file = new OneFile()
  {
    await using newest = await NewestHead.load(deps(file))
    newest.took({ frame: stream.batch(1, 1, nowMs), signerChain: [] })
  }
  expect((await NewestHead.load({ ...deps(file), trustDomain: parseTrustDomain('other.org') })).newest).toBeUndefined()
})
