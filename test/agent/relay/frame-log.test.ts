import fc from 'fast-check'
import { expect, test } from 'vitest'

import { FrameLog, type LoggedFrame } from '../../../agent/relay/frame-log.ts'

const maxFrames = 8

function frame(seq: number, keyId = 'a'): LoggedFrame {
  return { bytes: Uint8Array.of(seq), keyId, epoch: 1, firstSeq: seq, lastSeq: seq }
}

test('a newcomer gets the snapshot and every frame since', () => {
  const log = new FrameLog(maxFrames)
  log.rebase([frame(5)], 5, 1)
  log.append(frame(6))
  log.append(frame(7))
  expect([0, 1, 2].map((at) => log.at(log.start + at)?.frame.lastSeq)).toEqual([5, 6, 7])
  expect(log.after(1, 6)).toBe(log.start + 2)
})

test('a source that never gives a snapshot again asks for one now and then, and then fills nothing: all is let go until there is one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), (count) => {
      const log = new FrameLog(maxFrames)
      log.rebase([frame(0)], 0, 1)
      let wanted = 0
      for (let seq = 1; seq <= count; seq++) {
        log.append(frame(seq))
        if (log.isOverfull) wanted++
        expect(log.end - log.start).toBeLessThanOrEqual(1 + maxFrames * 4)
      }
      if (count > maxFrames) expect(wanted).toBeGreaterThan(0)
      if (count > maxFrames * 4) expect([log.isEmpty, log.at(0)]).toEqual([true, undefined])
      log.rebase([frame(count)], count, 1)
      log.append(frame(count + 1))
      expect([log.at(log.start)?.frame.lastSeq, log.at(log.start + 1)?.frame.lastSeq]).toEqual([count, count + 1])
    }),
  )
})
