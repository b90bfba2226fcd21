import { describe, expect, test } from 'vitest'

import type { FileReport, Report } from '../../tools/report.ts'
import { suites } from '../../tools/suites.ts'
import { choose, enoughTime, maxSecondTries, tally, type Circumstances } from '../../tools/tally.ts'

const suite = { name: 'slow', runs: (file: string): boolean => file.startsWith('test/slow/') }
const file = 'test/slow/a.test.ts'

describe('the sum of a suite', () => {
  test('counts what passed, failed and was skipped', () => {
    expect(sum(report(ran(file, { one: 'passed', two: 'failed', three: 'skipped' })), { step: 'failed' })).toMatchObject({ passed: 1, failed: 1, skipped: 1, failures: [`${file} > two`], secondTry: [] })
  })

  test('a file that could not be loaded, failed beside its tests, or was not run fails once', () => {
    const reported = report(ran(file, {}), { ...ran('test/slow/b.test.ts', { one: 'passed' }), broken: true })
    const { failed, failures } = sum(reported, { step: 'failed', testFiles: [file, 'test/slow/b.test.ts', 'test/slow/c.test.ts', 'test/core/d.test.ts'] })
    expect({ failed, failures }).toEqual({ failed: 3, failures: [`${file} > (the file itself)`, 'test/slow/b.test.ts > (the file itself)', 'test/slow/c.test.ts > (not run)'] })
  })

  test('an error that no test answers for fails once, at either try', () => {
    expect(sum({ ...report(ran(file, { one: 'passed' })), unhandled: ['ECONNRESET\nat …'] }, { step: 'failed' })).toMatchObject({ passed: 1, failed: 1, failures: ['(beside the tests) > ECONNRESET'] })
    const again = { ...report(ran(file, { one: 'passed' })), unhandled: ['EPIPE'] }
    expect(sum(report(ran(file, { one: 'failed' })), { step: 'failed', again: [again] })).toMatchObject({ passed: 1, failed: 1, secondTry: [`${file} > one`] })
  })

  test('a step that fails though nothing in its report did fails once, and so does one without a report, in half of one, or that the deadline ended', () => {
    expect(sum(report(ran(file, { one: 'passed' })), { step: 'failed' }).failed).toBe(1)
    expect(sum(report(ran(file, { one: 'passed' })), { step: 'out of time' }).failed).toBe(1)
    for (const step of ['ok', 'failed', 'out of time', 'not begun'] as const) expect(sum(undefined, { step }).failed).toBe(1)
  })
})

describe('a second try', () => {
  const first = report(ran(file, { one: 'failed', two: 'passed' }), ran('test/slow/b.test.ts', { three: 'passed' }))

  test('that passes counts as passed, once, and is said', () => {
    const again = [report(ran(file, { one: 'passed', two: 'passed' }))]
    expect(sum(first, { step: 'failed', again })).toMatchObject({ passed: 3, failed: 0, failures: [], secondTry: [`${file} > one`] })
  })

  test('that fails again counts as failed, once', () => {
    expect(sum(first, { step: 'failed', again: [report(ran(file, { one: 'failed', two: 'passed' }))] })).toMatchObject({ passed: 2, failed: 1, failures: [`${file} > one`], secondTry: [] })
  })

  test('in which something else fails counts that', () => {
    expect(sum(first, { step: 'failed', again: [report(ran(file, { one: 'passed', two: 'failed' }))] })).toMatchObject({ passed: 2, failed: 1, failures: [`${file} > two`], secondTry: [`${file} > one`] })
  })

  test('that ended before its report leaves the first in its place', () => {
    expect(sum(first, { step: 'failed', again: [] })).toMatchObject({ passed: 2, failed: 1, failures: [`${file} > one`], secondTry: [] })
  })

  test('does not mend a suite that the deadline ended', () => {
    expect(sum(first, { step: 'out of time', again: [report(ran(file, { one: 'passed', two: 'passed' }))] }).failed).toBe(1)
  })
})

describe('what is tried again', () => {
  const failing = (count: number): readonly FileReport[] => Array.from({ length: count }, (_, at) => ran(`test/slow/${at}.test.ts`, { one: 'failed' }))

  test('each file in which something failed, of any suite, and no other', () => {
    const ran2 = [
      { suite: 'slow', report: report(ran(file, { one: 'failed', two: 'failed' }), ran('test/slow/b.test.ts', { three: 'passed' })) },
      { suite: 'interop', report: report(ran('test/interop/c.test.ts', {})) },
      { suite: 'fuzz', report: undefined },
    ]
    expect(choose(ran2)).toEqual({ again: [{ suite: 'slow', file, ms: 1_000 }, { suite: 'interop', file: 'test/interop/c.test.ts', ms: 1_000 }] })
  })

  test('nothing, when more than five files failed: that is a broken build', () => {
    expect(choose([{ suite: 'slow', report: report(...failing(maxSecondTries)) }]).again).toHaveLength(5)
    expect(choose([{ suite: 'slow', report: report(...failing(4)) }, { suite: 'fuzz', report: report(...failing(2)) }])).toEqual({ again: [], refused: 'no second try: 6 files failed, and more than 5 are a broken build' })
  })

  test('only what the time that is left is enough for, were it to take twice as long', () => {
    expect(enoughTime(60_000, 140_000)).toBe(true)
    expect(enoughTime(60_000, 139_999)).toBe(false)
    expect(enoughTime(0, -1)).toBe(false)
  })
})

test('every suite has a name of its own, and a test file at least one suite', () => {
  expect(new Set(suites.map(({ name }) => name)).size).toBe(suites.length)
  expect(['test/core/a.test.ts', 'test/architecture.test.ts', 'test/fuzz/csr.test.ts', 'test/slow/attacks/floods.test.ts'].map((name) => suites.filter(({ runs }) => runs(name)).map(({ name: at }) => at))).toEqual([['test'], ['test'], ['test', 'fuzz'], ['slow']])
})

function sum(first: Report | undefined, given: Partial<Circumstances>): ReturnType<typeof tally> {
  return tally(suite, first, { again: [], testFiles: [], step: 'ok', ...given })
}

function report(...files: readonly FileReport[]): Report {
  return { ms: 1_000, files, unhandled: [] }
}

function ran(name: string, tests: Readonly<Record<string, 'passed' | 'failed' | 'skipped'>>): FileReport {
  return { file: name, ms: 1_000, broken: false, tests: Object.entries(tests).map(([title, state]) => ({ title, state })) }
}
