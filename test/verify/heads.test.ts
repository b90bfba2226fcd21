import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fileHeadStore } from '../../src/client/index.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { HeadKeeper, headStoreIn, type HeadStore } from '../../src/verify/heads.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { FakeClock, settle } from '../support/fake-clock.ts'
import { SimStream, toyFollower } from '../support/revocation/sim-stream.ts'

const trustDomain = parseTrustDomain('example.org')

/** A file in memory. */
function memoryStore(): HeadStore {
  let content: string | undefined
  return headStoreIn({
    read: async () => Promise.resolve(content === undefined ? undefined : new TextEncoder().encode(content)),
    write: async (text) => {
      content = text
      return Promise.resolve()
    },
  })
}

function head(seq: number, fill = seq): StreamHead {
  return { epoch: 7, seq, chainHash: new Uint8Array(32).fill(fill) }
}

describe('a head that is kept in a file', () => {
  let folder: string
  let path: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mf-'))
    path = join(folder, 'head.json')
  })

  afterEach(async () => rm(folder, { recursive: true }))

  test('comes back as it was, from a file that only its owner reads', async () => {
    const store = fileHeadStore(path)
    expect(await store.load(trustDomain)).toBeUndefined()
    await store.save(head(3), trustDomain)
    await store.save(head(4), trustDomain)
    expect(await fileHeadStore(path).load(trustDomain)).toEqual(head(4))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('of another trust domain says nothing', async () => {
    await fileHeadStore(path).save(head(3), trustDomain)
    expect(await fileHeadStore(path).load(parseTrustDomain('other.org'))).toBeUndefined()
  })

  test.each(['', '{', '[]', '{"epoch":1}', '{"trustDomain":"example.org","epoch":1,"seq":-1,"chainHash":"00"}', '{"trustDomain":"example.org","epoch":1.5,"seq":1,"chainHash":"00"}', 'x'.repeat(5_000)])(
    'that is spoilt is refused and not passed over: %s',
    async (content) => {
      await writeFile(path, content)
      await expect(fileHeadStore(path).load(trustDomain)).rejects.toMatchObject({ code: content.length > 4_096 ? 'LIMIT_EXCEEDED' : 'CONFIG_INVALID' })
    },
  )

  test('with one bit that is spoilt, anywhere, comes back as it was', async () => {
    await fileHeadStore(path).save(head(3), trustDomain)
    const whole = await readFile(path)
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const spoilt = Buffer.from(whole)
      spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const store = headStoreIn({ read: async () => Promise.resolve(spoilt), write: async () => Promise.resolve() })
      expect(await store.load(trustDomain)).toEqual(head(3))
    }
  })

  test('that cannot be written leaves the one before', async () => {
    const store = fileHeadStore(path)
    await store.save(head(3), trustDomain)
    const before = await readFile(path, 'utf8')
    await chmod(folder, 0o500)
    try {
      if (process.geteuid?.() !== 0) await expect(store.save(head(4), trustDomain)).rejects.toThrow('')
    } finally {
      await chmod(folder, 0o700)
    }
    if (process.geteuid?.() !== 0) expect(await readFile(path, 'utf8')).toBe(before)
  })
})

describe('a keeper', () => {
  test('writes at once, then at most once a second, and the last one at its end', async () => {
    const clock = new FakeClock()
    const saved: number[] = []
    let highest = head(1)
    const heads: HeadStore = { load: async () => Promise.resolve(undefined), save: async ({ seq }) => void saved.push(seq) }
    const keeper = new HeadKeeper({ heads, trustDomain, clock, logger: new KeptLog(), highest: () => highest })
    const move = (seq: number): void => {
      highest = head(seq)
      keeper.moved()
    }
    keeper.moved()
    await settle()
    expect(saved).toEqual([])
    for (let seq = 2; seq < 12; seq++) {
      move(seq)
      await clock.advance(100)
    }
    expect(saved).toEqual([2, 11])
    await clock.advance(5_000)
    move(12)
    await settle()
    expect(saved).toEqual([2, 11, 12])
    move(13)
    await keeper[Symbol.asyncDispose]()
    expect(saved).toEqual([2, 11, 12, 13])
    expect(clock.sleeping).toBe(0)
  })

  test('whose disk is full says so and goes on', async () => {
    const clock = new FakeClock()
    const log = new KeptLog()
    let fails = true
    let saved = 0
    const heads: HeadStore = {
      load: async () => Promise.resolve(undefined),
      save: async ({ seq }) => {
        if (fails) throw new Error('no space')
        saved = seq
        return Promise.resolve()
      },
    }
    let highest = head(1)
    await using keeper = new HeadKeeper({ heads, trustDomain, clock, logger: log, highest: () => highest })
    highest = head(2)
    keeper.moved()
    await clock.advance(1_000)
    expect(log.facts).toMatchObject([{ event: 'revocation.head_unsaved' }])
    fails = false
    highest = head(3)
    keeper.moved()
    await settle()
    expect(saved).toBe(3)
  })
})

test('after a restart no stream that is behind what was kept, or beside it, ever makes a reader fresh', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 12 }), async (events, lost, written) => {
      const nowMs = 1_000_000
      const before = new SimStream()
      for (let index = 0; index < events; index++) before.append({ kind: 'revoked', shard: 1, minute: 100, index })
      const store = memoryStore()
      const first = toyFollower()
      for (const frame of before.snapshot(events, nowMs)) first.receive(frame, { nowMs, bootMs: 0 })
      const { highest } = first
      if (highest !== undefined) await store.save(highest, trustDomain)

      // The server was copied back and went on from there.
      const after = new SimStream()
      for (let index = 0; index < events - Math.min(lost, events - 1); index++) after.append({ kind: 'revoked', shard: 1, minute: 100, index })
      const second = toyFollower(await store.load(trustDomain))
      const kinds: string[] = []
      const receive = (frame: Uint8Array): void => void kinds.push(second.receive(frame, { nowMs: nowMs + 1, bootMs: 1 }).kind)
      for (const frame of after.snapshot(after.events.length, nowMs + 1)) receive(frame)
      receive(after.heartbeat(after.events.length, nowMs + 1))
      for (let index = 0; index < written; index++) {
        const seq = after.append({ kind: 'revoked', shard: 1, minute: 101, index })
        receive(after.batch(seq, seq, nowMs + 1, true))
        receive(after.heartbeat(seq, nowMs + 1))
      }
      expect(second.freshness({ nowMs: nowMs + 1, bootMs: 1 })).toBeUndefined()
      expect(kinds).toContain('rollback')
      expect(second.highest).toEqual(highest)
    }),
  )
})
