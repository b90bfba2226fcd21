import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Entry } from '../../../src/core/entry.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { SvidCache } from '../../../agent/rotation/svid-cache.ts'
import type { Standing } from '../../../agent/rotation/standing.ts'
import type { SvidCacheConfig } from '../../../agent/rotation/svid-cache.ts'
import type { WorkloadSvid } from '../../../agent/rotation/workload-svid.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { anEntry, entryMap } from '../../support/agent/entries.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { TestSigner } from '../../support/agent/test-signer.ts'

const ttlMs = 900_000
const config: SvidCacheConfig = { maxSvids: 10, maxBatch: 100, retry: { leastMs: 1_000, mostMs: 30_000 }, maxSleepMs: 10_000 }

let clock: FakeClock
let server: TestSigner
let cache: SvidCache
let ended: string[]
let standing: (svid: WorkloadSvid) => Standing
let log: KeptLog
const never = new AbortController().signal

beforeEach(() => {
  clock = new FakeClock()
  server = new TestSigner(clock, ttlMs)
  ended = []
  standing = () => 'good'
  log = new KeptLog()
  cache = startCache(config)
})

afterEach(async () => {
  await cache[Symbol.asyncDispose]()
  if (clock.sleeping > 0) throw new Error('the cache left a sleeper behind')
})

describe('signing', () => {
  test('nothing is signed before it is asked for', async () => {
    entriesAre(anEntry('a'))
    await clock.advance(ttlMs)
    expect(server.calls).toEqual([])
  })

  test('an entry with prefetch is signed as soon as it is known', async () => {
    entriesAre(anEntry('a', { prefetch: true }))
    await settle()
    expect(cache.current('a')?.spiffeId).toBe('spiffe://test.example/a')
  })

  test('all who ask at once share one signature', async () => {
    entriesAre(anEntry('a'))
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => cache.ready('a', never)))
    expect(outcomes.every(({ kind }) => kind === 'ready')).toBe(true)
    expect(server.calls).toEqual([['a']])
  })

  test('requests of one tick share a call, and those that come while it is under way share the next', async () => {
    entriesAre(anEntry('a'), anEntry('b'), anEntry('c'), anEntry('d'))
    const release = server.pause()
    const first = [cache.ready('a', never), cache.ready('b', never)]
    await settle()
    const second = [cache.ready('c', never), cache.ready('d', never)]
    release()
    await Promise.all([...first, ...second])
    expect(server.calls).toEqual([['a', 'b'], ['c', 'd']])
  })

  test('an entry that is not there is nobody’s', async () => {
    expect(await cache.ready('a', never)).toEqual({ kind: 'unknown' })
  })

  test('a caller that gives up does not stop the others', async () => {
    entriesAre(anEntry('a'))
    const release = server.pause()
    const impatient = new AbortController()
    const one = cache.ready('a', impatient.signal)
    const other = cache.ready('a', never)
    impatient.abort(new MayflyError('DEADLINE_EXCEEDED', 'gone'))
    await expect(one).rejects.toThrow('gone')
    release()
    expect((await other).kind).toBe('ready')
  })

  test('a certificate for another ID, or over another key, is refused', async () => {
    entriesAre(anEntry('a'))
    server.signsAs = 'spiffe://test.example/other'
    expect(await cache.ready('a', never)).toMatchObject({ kind: 'failed', error: { code: 'CERTIFICATE_INVALID' } })
    expect(cache.current('a')).toBeUndefined()
  })

  test('the key does not show in JSON', async () => {
    entriesAre(anEntry('a'))
    await cache.ready('a', never)
    const svid = cache.current('a')
    expect(JSON.stringify(svid)).not.toContain(svid?.pkcs8.toString('base64').slice(0, 20))
    expect(Object.keys(svid ?? {})).not.toContain('pkcs8')
  })
})

describe('rotation', () => {
  test('an SVID in use is replaced at half its life, ± 10 %, with a new key', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')
    await clock.advance(ttlMs * 0.44)
    expect(cache.current('a')).toBe(first)
    await clock.advance(ttlMs * 0.12)
    const second = cache.current('a')
    expect(second?.serialHex).not.toBe(first?.serialHex)
    expect(second?.pkcs8.equals(first?.pkcs8 ?? Buffer.alloc(0))).toBe(false)
    expect(ended).toEqual([])
  })

  test('an SVID that nobody took is not rotated, and goes', async () => {
    entriesAre(anEntry('a'))
    await cache.ready('a', never)
    const serial = cache.current('a')?.serialHex
    await clock.advance(ttlMs)
    expect(server.calls).toEqual([['a']])
    expect(cache.current('a')).toBeUndefined()
    expect(ended).toEqual([serial])
  })

  test('an entry whose revision rises is signed anew, and the old SVID serves until then', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')
    const release = server.pause()
    entriesAre(anEntry('a', { revision: 1, dnsNames: ['a.example'] }))
    await settle()
    expect(cache.current('a')).toBe(first)
    release()
    await settle()
    expect(cache.current('a')?.serialHex).not.toBe(first?.serialHex)
  })

  test('a revision that rises alone signs nothing anew: what ended is known from the stream', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')
    entriesAre(anEntry('a', { revision: 1 }))
    await settle()
    expect(cache.current('a')).toBe(first)
    entriesAre(anEntry('a', { revision: 2, dnsNames: ['a.example'] }))
    await settle()
    expect(cache.current('a')?.serialHex).not.toBe(first?.serialHex)
  })

  test('an entry whose SPIFFE ID changes gives out nothing under the old one', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    server.down = true
    entriesAre(anEntry('a', { revision: 1, spiffeId: 'spiffe://test.example/renamed' }))
    expect(cache.current('a')).toBeUndefined()
    server.down = false
    cache.resume()
    await settle()
    expect(cache.current('a')?.spiffeId).toBe('spiffe://test.example/renamed')
  })

  test('an entry that goes takes its SVID with it', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const changes: string[] = []
    using _ = cache.changed.on((id) => void changes.push(id))
    entriesAre()
    expect(cache.current('a')).toBeUndefined()
    expect(changes).toEqual(['a'])
  })

  test('a revoked serial is withdrawn at once and replaced', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')
    standing = (svid) => (svid.serialHex === first?.serialHex ? 'ended' : 'good')
    cache.recheck()
    expect(cache.current('a')).toBeUndefined()
    await settle()
    expect(cache.current('a')?.serialHex).not.toBe(first?.serialHex)
  })

  test('a tainted authority makes it replace early and serve meanwhile; a server without a better one is not pressed', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')
    standing = () => 'tainted'
    cache.recheck()
    expect(cache.current('a')).toBe(first)
    await settle()
    const calls = server.calls.length
    expect(calls).toBe(2)
    await clock.advance(10_000)
    expect(server.calls.length).toBe(calls)
  })
})

describe('the last holder', () => {
  test('its exit drops the key and reports every serial that still lives', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')?.serialHex
    await clock.advance(ttlMs * 0.6)
    const second = cache.current('a')?.serialHex
    cache.lastExit('a')
    expect(cache.current('a')).toBeUndefined()
    expect(ended).toEqual([first, second])
  })

  test('an entry with keepOnExit keeps its SVID for the next process until it is due', async () => {
    entriesAre(anEntry('a', { keepOnExit: true }))
    await use('a')
    const first = cache.current('a')
    cache.lastExit('a')
    expect(cache.current('a')).toBe(first)
    await clock.advance(ttlMs)
    expect(cache.current('a')).toBeUndefined()
    expect(ended).toEqual([])
  })

  test('an SVID that arrives after it is reported, not kept', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const release = server.pause()
    await clock.advance(ttlMs * 0.56)
    cache.lastExit('a')
    release()
    await settle()
    expect(ended).toHaveLength(2)
    expect(cache.held()).toEqual([])
  })

  test('one who asks in that very moment gets a new key', async () => {
    entriesAre(anEntry('a'))
    const release = server.pause()
    const asked = cache.ready('a', never)
    await settle()
    cache.hold('a')
    cache.lastExit('a')
    release()
    expect((await asked).kind).toBe('ready')
    expect(server.calls).toEqual([['a'], ['a']])
  })
})

describe('a server that is away', () => {
  test('what is valid serves on, what expired never does, and all mends itself', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    server.down = true
    await clock.advance(ttlMs * 0.9)
    expect(cache.current('a')).toBeDefined()
    await clock.advance(ttlMs * 0.2)
    expect(cache.current('a')).toBeUndefined()
    expect(await cache.ready('a', never)).toMatchObject({ kind: 'failed', refused: false, error: { code: 'UNAVAILABLE' } })
    server.down = false
    await clock.advance(config.retry.mostMs)
    expect(cache.current('a')).toBeDefined()
  })

  test('attempts grow apart to the longest pause', async () => {
    entriesAre(anEntry('a', { prefetch: true }))
    server.down = true
    await clock.advance(600_000)
    expect(server.attempts).toBeGreaterThan(15)
    expect(server.attempts).toBeLessThan(50)
  })

  test('its return is no reason to wait for the next attempt', async () => {
    entriesAre(anEntry('a', { prefetch: true }))
    server.down = true
    await clock.advance(600_000)
    server.down = false
    cache.resume()
    await settle()
    expect(cache.current('a')).toBeDefined()
  })

  test('a refusal is told apart from an outage', async () => {
    entriesAre(anEntry('a'))
    server.refuses = 'PERMISSION_DENIED'
    expect(await cache.ready('a', never)).toMatchObject({ kind: 'failed', refused: true })
  })
})

describe('clocks', () => {
  test('a clock set back by an hour extends nothing', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')
    clock.jump(-3_600_000)
    server.down = true
    await clock.advance(ttlMs + 11_000)
    expect(cache.current('a')).toBeUndefined()
    expect(first?.isExpired({ nowMs: clock.nowMs(), bootMs: clock.bootMs() })).toBe(true)
  })

  test('a clock set back does not delay rotation', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')?.serialHex
    clock.jump(-600_000)
    await clock.advance(ttlMs * 0.56)
    expect(cache.current('a')?.serialHex).not.toBe(first)
  })

  test('a clock set on is seen within the longest sleep, and the SVID replaced', async () => {
    entriesAre(anEntry('a'))
    await use('a')
    const first = cache.current('a')?.serialHex
    clock.jump(ttlMs * 2)
    expect(cache.current('a')).toBeUndefined()
    await clock.advance(config.maxSleepMs)
    expect(cache.current('a')?.serialHex).toBeDefined()
    expect(cache.current('a')?.serialHex).not.toBe(first)
  })

  test('an SVID that is expired by this host’s clock when it comes is not given out, and the reason is the clock', async () => {
    entriesAre(anEntry('a'))
    server.skewMs = -2 * ttlMs
    expect(await cache.ready('a', never)).toMatchObject({ kind: 'failed', error: { code: 'CLOCK_JUMPED' } })
  })
})

describe('bounds', () => {
  test('past the bound the least recently used goes; what is in use stays, and more is refused', async () => {
    await cache[Symbol.asyncDispose]()
    cache = startCache({ ...config, maxSvids: 2 })
    entriesAre(anEntry('a'), anEntry('b'), anEntry('c'), anEntry('d'))
    await cache.ready('a', never)
    await use('b')
    await use('c')
    expect(cache.current('a')).toBeUndefined()
    expect(await cache.ready('d', never)).toMatchObject({ kind: 'failed', error: { code: 'LIMIT_EXCEEDED' } })
    expect(cache.held().map(({ entryId }) => entryId)).toEqual(['b', 'c'])
  })
})

function startCache(with_: SvidCacheConfig): SvidCache {
  return SvidCache.start(with_, {
    clock,
    random: new SeededRandom(),
    log,
    signer: server,
    standing: (svid) => standing(svid),
    ended: (serials) => void ended.push(...serials.map(toHex)),
  })
}

function entriesAre(...entries: readonly Entry[]): void {
  server.entries = entryMap(...entries)
  cache.replaceEntries(server.entries)
}

async function use(id: string): Promise<void> {
  expect((await cache.ready(id, never)).kind).toBe('ready')
  cache.hold(id)
}
