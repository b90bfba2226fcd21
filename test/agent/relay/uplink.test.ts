import { expect, test } from 'vitest'
import type { RelayedReports } from '../../../proto/generated/mayfly/v1/RelayedReports.ts'
import { sendReports } from '../../../agent/relay/uplink.ts'
import { VerifierReports } from '../../../agent/relay/verifier-reports.ts'
import { Notifier } from '../../../agent/notifier.ts'
import { encodeReport } from '../../../src/core/revocation/reports.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

test('a connection upwards that broke while there was nothing to send takes no report from the one after it', async () => {
  const clock = new FakeClock()
  const reports = new VerifierReports()
  const stop = new AbortController()
  const calls: RelayedReports[][] = []
  let breakOff: () => void = () => undefined
  const channel = {
    // as a call does: what is to be sent is waited for until it comes, also once the call is over
    async *relayed(messages: AsyncIterable<RelayedReports>, signal: AbortSignal) {
      const mine: RelayedReports[] = []
      calls.push(mine)
      void (async () => {
        for await (const message of messages) mine.push(message)
      })()
      await new Promise<void>((_, reject) => {
        breakOff = () => reject(new Error('away'))
        signal.addEventListener('abort', breakOff)
      })
      yield* []
    },
  }
  const sending = sendReports({ clock, random: new SeededRandom(), log: new KeptLog(), upstreams: { current: { name: 'up', channel }, changed: new Notifier() }, reports }, stop.signal)
  await clock.advance(100)
  for (let instance = 1; instance <= 4; instance++) {
    breakOff()
    await clock.advance(20_000)
    expect(calls).toHaveLength(instance + 1)
    const before = calls.slice(0, -1).map(({ length }) => length)
    void reports.take(once(instance), () => undefined)
    await clock.advance(1_000)
    expect(calls.at(-1)?.flatMap(({ registrations }) => registrations ?? [])).not.toEqual([])
    expect(calls.slice(0, -1).map(({ length }) => length)).toEqual(before)
  }
  stop.abort()
  await sending
  await settle()
  expect(clock.sleeping).toBe(0)
})

/** A verifier that registers, and stays. */
async function* once(seed: number): AsyncGenerator<Parameters<VerifierReports['take']>[0] extends AsyncIterable<infer T> ? T : never> {
  const body = encodeReport({ kind: 'registration', instance: new Uint8Array(16).fill(seed), number: 1, class: 'strict', software: 's' })
  yield { report: 'registration', registration: { body: Buffer.from(body), signature: Buffer.alloc(72), svidChain: [] }, receipt: null, uses: null, refusals: null }
  await new Promise(() => undefined)
}
