import { failed, type FileReport, type Report } from './report.ts'
import type { Suite } from './suites.ts'

/** More failing files than this are a broken build, and no second try mends it. */
export const maxSecondTries = 5

export interface Ran {
  readonly suite: string
  /** `undefined`: none was written. */
  readonly report: Report | undefined
}

/** The files that failed in some suite, to be tried a second time; none when they are too many, and then why. */
export function choose(ran: readonly Ran[]): { readonly again: readonly { readonly suite: string; readonly file: string; readonly ms: number }[]; readonly refused?: string } {
  const again = ran.flatMap(({ suite, report }) => (report?.files ?? []).filter(failed).map(({ file, ms }) => ({ suite, file, ms })))
  if (again.length <= maxSecondTries) return { again }
  return { again: [], refused: `no second try: ${again.length} files failed, and more than ${maxSecondTries} are a broken build` }
}

/** Whether a file that took `ms` may be tried again: with as much again, and what starting costs. */
export function enoughTime(ms: number, leftMs: number): boolean {
  return leftMs >= 2 * ms + 20_000
}

export interface SuiteTally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** How it went, for its line. */
  readonly words: string
  /** `file > title` of what failed at the first try and not at the second. */
  readonly secondTry: readonly string[]
  /** `file > title` of what failed for good. */
  readonly failures: readonly string[]
}

export interface Circumstances {
  /** Of the second tries of its files, one each. */
  readonly again: readonly Report[]
  /** All test files that there are, from the root. */
  readonly testFiles: readonly string[]
  /** How its command ended: with 0, with another exit code, by the deadline of all, or it was not begun for want of time. */
  readonly step: 'ok' | 'failed' | 'out of time' | 'not begun'
}

/**
 * Adds up a suite. Of a file that was tried a second time the second try counts, whole. What failed beside the tests counts too, so that the sum is
 * never kinder than the exit codes: a missing report, an error that no test answers for, a file that could not be loaded or that no report names, and
 * a step that failed though nothing in its report did, once each.
 */
export function tally(suite: Suite, report: Report | undefined, { again, testFiles, step }: Circumstances): SuiteTally {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0, words: `no report${step === 'ok' ? '' : `: ${step}`}`, secondTry: [], failures: [] }
  const second = new Map(again.flatMap(({ files }) => files.map((file) => [file.file, file])))
  const files = report.files.map((file) => second.get(file.file) ?? file)
  const named = new Set(report.files.map(({ file }) => file))
  const failures = [
    ...files.flatMap(failuresOf),
    ...testFiles.filter((file) => suite.runs(file) && !named.has(file)).map((file) => `${file} > (not run)`),
    ...[report, ...again].flatMap(({ unhandled }) => unhandled.map((message) => `(beside the tests) > ${message.split('\n', 1)[0] ?? ''}`)),
  ]
  const explained = step === 'ok' || (step === 'failed' && (failures.length > 0 || report.files.some(failed)))
  const count = (state: string): number => files.reduce((sum, { tests }) => sum + tests.filter((test) => test.state === state).length, 0)
  const passed = count('passed')
  return {
    passed,
    failed: failures.length + (explained ? 0 : 1),
    skipped: count('skipped'),
    words: `${passed} passed, ${failures.length} failed in ${Math.round(report.ms / 1_000)} s${explained ? '' : `, and the step itself: ${step}`}`,
    secondTry: report.files.filter(({ file }) => second.has(file)).flatMap(failuresOf).filter((failure) => !failures.includes(failure)),
    failures,
  }
}

function failuresOf(report: FileReport): readonly string[] {
  const { file, broken, tests } = report
  const titles = tests.filter(({ state }) => state === 'failed').map(({ title }) => title)
  return [...titles, ...(broken || tests.length === 0 ? ['(the file itself)'] : [])].map((title) => `${file} > ${title}`)
}
