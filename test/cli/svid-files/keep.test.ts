import { describe, expect, onTestFinished, test } from 'vitest'

import { heldStates, type Held, type Wish } from '../../../src/cli/svid-files/held.ts'
import { keepFiles, type FilesEvent } from '../../../src/cli/svid-files/keep.ts'
import { readyAfter, type Reload } from '../../../src/cli/svid-files/reader.ts'
import type { FetchedSvid } from '../../../src/cli/svids.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { testAuthority } from '../../support/ca/test-ca.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

const { certificate } = await testAuthority({ nowMs: () => Date.UTC(2026, 0, 1) })

function svid(spiffeId: string, key = 1, hint = ''): FetchedSvid {
  return { spiffeId, hint, serial: String(key), leaf: parseCertificate(certificate.raw), chain: [certificate.raw], key: new Uint8Array([key]), authorities: [certificate.raw], crls: [], federated: {} }
}

const held = (key: number): Held => ({ kind: 'held', svid: svid('spiffe://example.org/web', key) })

/** A set of files in memory, states that are put in, and what was said of them. */
function world({ reload = { kind: 'none' }, once = false }: { readonly reload?: Reload; readonly once?: boolean } = {}): {
  readonly clock: FakeClock
  readonly written: string[]
  readonly events: FilesEvent['kind'][]
  readonly ended: Promise<void>
  failing: number
  put(state: Held): void
} {
  const clock = new FakeClock()
  const stop = new AbortController()
  const waiting: Held[] = []
  let wake: () => void = () => undefined
  const written: string[] = []
  const events: FilesEvent['kind'][] = []
  async function* states(signal: AbortSignal): AsyncGenerator<Held> {
    signal.addEventListener('abort', () => wake())
    while (!signal.aborted) {
      const next = waiting.shift()
      if (next !== undefined) yield next
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const made = {
    clock,
    written,
    events,
    failing: 0,
    put: (state: Held) => {
      waiting.push(state)
      wake()
    },
    ended: Promise.resolve(),
  }
  const change = (what: string): void => {
    if (made.failing-- > 0) throw new Error('no space left')
    written.push(what)
  }
  const set = { write: async ({ key }: { readonly key: string }) => change(Buffer.from(key.split('\n')[1] ?? '', 'base64').toString('hex')), remove: async () => (change('removed'), true), tidy: async () => void written.push('tidied') }
  made.ended = keepFiles(states, { set, reload, reloadLimitMs: 5_000, clock, signal: stop.signal, once, say: ({ kind }) => void events.push(kind) })
  onTestFinished(async () => {
    stop.abort()
    await made.ended
  })
  return made
}

describe('keeping files', () => {
  test('each state is written, and the one before is tidied away once nobody can be in the middle of reading it', async () => {
    const { clock, put, written } = world()
    put(held(1))
    await settle()
    expect(written).toEqual(['01'])
    await clock.advance(2_000)
    expect(written).toEqual(['01', 'tidied'])
    put(held(2))
    await settle()
    expect(written).toEqual(['01', 'tidied', '02'])
  })

  test('of states that come together the newest is written, and none sooner than a reader takes from one file to the next', async () => {
    const { clock, put, written } = world()
    put(held(1))
    await settle()
    for (const key of [2, 3, 4]) put(held(key))
    await clock.advance(1_999)
    expect(written).toEqual(['01'])
    await clock.advance(1)
    expect(written).toEqual(['01', 'tidied', '04'])
  })

  test('what was withdrawn is removed at once, and once, however often the agent says so', async () => {
    const { put, written, events } = world()
    put(held(1))
    await settle()
    put({ kind: 'withdrawn', why: 'revoked' })
    put({ kind: 'withdrawn', why: 'revoked' })
    await settle()
    expect(written).toEqual(['01', 'tidied', 'removed', 'tidied'])
    expect(events).toEqual(['written', 'withdrawn'])
  })

  test('a write that fails is tried again until it does not; the last good files stay', async () => {
    const one = world()
    one.failing = 2
    one.put(held(1))
    await settle()
    expect([one.written, one.events]).toEqual([[], ['unwritten']])
    await one.clock.advance(3_000)
    expect([one.written, one.events]).toEqual([['01'], ['unwritten', 'unwritten', 'written']])
  })

  test('a reader that was not told is told again, without writing again; a newer state takes the place of one that fails', async () => {
    const { clock, put, written, events } = world({ reload: { kind: 'signal', signal: 'SIGHUP', pidFile: '/nowhere/pid' } })
    put(held(1))
    const failed = async (times: number): Promise<void> => {
      while (events.filter((kind) => kind === 'reload_failed').length < times) await settle()
    }
    await failed(1)
    await clock.advance(1_000)
    await failed(2)
    expect(written).toEqual(['01'])
    put(held(2))
    await settle()
    await clock.advance(2_000)
    await failed(3)
    expect(written).toEqual(['01', 'tidied', '02'])
  })

  test('once: ends when the files are there, not when there is no identity yet', async () => {
    const { put, ended, written } = world({ once: true })
    put({ kind: 'withdrawn', why: 'no entry' })
    await settle()
    expect(written).toEqual(['removed', 'tidied'])
    put(held(1))
    await ended
    expect(written).toEqual(['removed', 'tidied', '01'])
  })
})

describe('which identity', () => {
  const web = svid('spiffe://example.org/web')
  const db = svid('spiffe://example.org/db', 2, 'internal')

  async function first(svids: readonly FetchedSvid[], wish: Partial<Wish> = {}): Promise<Held | undefined> {
    const stop = new AbortController()
    async function* open(): AsyncGenerator<readonly FetchedSvid[]> {
      yield svids
    }
    const states = heldStates(open, { id: undefined, hint: undefined, ...wish }, { clock: new FakeClock(), signal: stop.signal, lost: () => undefined })
    const { value } = await states.next()
    stop.abort()
    await states.return(undefined)
    return value as Held | undefined // a generator without a return value
  }

  test('the only one, or the one that is named by ID, path or hint', async () => {
    expect(await first([web])).toEqual({ kind: 'held', svid: web })
    expect(await first([web, db], { id: '/db' })).toEqual({ kind: 'held', svid: db })
    expect(await first([web, db], { id: web.spiffeId })).toEqual({ kind: 'held', svid: web })
    expect(await first([web, db], { hint: 'internal' })).toEqual({ kind: 'held', svid: db })
    expect(await first([web], { id: '/db' })).toMatchObject({ kind: 'withdrawn' })
    expect(await first([web], { hint: 'external' })).toMatchObject({ kind: 'withdrawn' })
    expect(await first([])).toMatchObject({ kind: 'withdrawn' })
  })

  test('none of several is guessed', async () => {
    await expect(first([web, db])).rejects.toThrow(expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('--as spiffe://example.org/db') }))
  })

  test('an agent that is away changes nothing and is said once; PermissionDenied takes it away', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const said: string[] = []
    const answers: (readonly FetchedSvid[] | MayflyError)[] = [[web], new MayflyError('UNAVAILABLE', 'gone'), new MayflyError('UNAVAILABLE', 'gone'), new MayflyError('NO_IDENTITY', 'no entry'), [web]]
    async function* open(): AsyncGenerator<readonly FetchedSvid[]> {
      for (;;) {
        const answer = answers.shift()
        if (answer === undefined) await clock.sleep(1e9, stop.signal)
        else if (answer instanceof MayflyError) throw answer
        else yield answer
      }
    }
    const kinds: string[] = []
    const following = (async () => {
      for await (const { kind } of heldStates(open, { id: undefined, hint: undefined }, { clock, signal: stop.signal, lost: (why) => void said.push(why) })) kinds.push(kind)
    })()
    await clock.advance(10_000)
    expect(kinds).toEqual(['held', 'withdrawn', 'held'])
    expect(said).toEqual(['gone'])
    stop.abort()
    await following
  })
})

test('a program that is to be signalled need not run for the files to be ready: its unit is started after them', () => {
  expect(readyAfter({ kind: 'signal', signal: 'SIGHUP', pidFile: '/run/web.pid' })).toBe('written')
  expect(readyAfter({ kind: 'none' })).toBe('written')
  expect(readyAfter({ kind: 'command', argv: ['true'], env: {} })).toBe('reloaded')
})
