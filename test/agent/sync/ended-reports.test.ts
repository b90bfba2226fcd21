import { expect, test } from 'vitest'
import { EndedReports } from '../../../agent/sync/ended-reports.ts'

const serial = (at: number): Uint8Array => new Uint8Array(17).fill(at)

test('one report is under way at a time, and the next follows when it is accepted', () => {
  const reports = new EndedReports(100)
  reports.add([serial(1), serial(2)])
  const first = reports.next(10)
  expect(first?.serials).toEqual([serial(1), serial(2)])
  reports.add([serial(3)])
  expect(reports.next(10)).toBeUndefined()
  reports.accepted((first?.reportId ?? 0) + 99)
  expect(reports.next(10)).toBeUndefined()
  reports.accepted(first?.reportId ?? 0)
  expect(reports.next(10)?.serials).toEqual([serial(3)])
})

test('what was not accepted before the connection broke is sent again', () => {
  const reports = new EndedReports(100)
  reports.add([serial(1)])
  reports.next(10)
  reports.add([serial(2)])
  reports.reconnected()
  expect(reports.next(10)?.serials).toEqual([serial(1), serial(2)])
})

test('past its bound the oldest go', () => {
  const reports = new EndedReports(2)
  expect(reports.add([serial(1), serial(2), serial(3)])).toBe(1)
  expect(reports.next(10)?.serials).toEqual([serial(2), serial(3)])
})

test('a report has no more serials than the server takes', () => {
  const reports = new EndedReports(100)
  reports.add([serial(1), serial(2), serial(3)])
  expect(reports.next(2)?.serials).toEqual([serial(1), serial(2)])
  expect(reports.size).toBe(3)
})
