// Adds up the JSON reports of a folder: what .ci/run prints last. What failed beside the tests counts too, so that the line is never kinder than the
// exit code: a step (types, lint, a crash, a missing report) once, a test file that could not be loaded or that no report names once each.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

import { root } from './steps.ts'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly { readonly name: string; readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

/** The step of .ci/run, its report, and which test files it runs. */
const suites = [
  { step: 'test', report: 'fast', runs: (file: string) => !/^test\/(slow|timelines|interop|bench|faults)\//.test(file) },
  { step: 'slow', report: 'slow', runs: (file: string) => file.startsWith('test/slow/') },
  { step: 'timelines', report: 'timelines', runs: (file: string) => file.startsWith('test/timelines/') },
  { step: 'interop', report: 'interop', runs: (file: string) => file.startsWith('test/interop/') },
  { step: 'fuzz', report: 'fuzz', runs: (file: string) => file.startsWith('test/fuzz/') },
]

const [folder = '.'] = process.argv.slice(2)
const lines = (name: string): string[] => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8').trim().split('\n') : [])
const failedSteps = new Set(lines('failed-steps'))
const unfinished = new Set(lines('unfinished'))
/** But for those of `npm run faults`, which take too long to be of this. */
const testFiles = globSync('test/**/*.test.ts', { cwd: root }).filter((file) => !file.startsWith('test/faults/'))
let passed = 0
let failed = 0
let skipped = 0

for (const suite of suites) {
  const report = read(suite.report)
  const lost = report === undefined ? [] : lostFiles(report, testFiles.filter(suite.runs))
  const failures = (report?.numFailedTests ?? 0) + lost.length
  const isBroken = failures === 0 && (report === undefined || failedSteps.has(suite.step) || unfinished.has(suite.step))
  passed += report?.numPassedTests ?? 0
  skipped += (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
  failed += failures + (isBroken ? 1 : 0)
  const word = unfinished.has(suite.step) ? 'not begun, no time left' : report === undefined ? 'no report' : `${report.numPassedTests} passed, ${failures} failed`
  console.log(`${suite.step}: ${word}${isBroken && report !== undefined ? ', and the step itself failed' : ''}`)
  for (const file of lost) console.log(`  not run: ${file}`)
}
for (const file of testFiles.filter((name) => !suites.some(({ runs }) => runs(name)))) {
  failed++
  console.log(`in no suite: ${file}`)
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

/** Files that should have been run, and those that ended before their first test. */
function lostFiles(report: Report, wanted: readonly string[]): readonly string[] {
  const named = new Map(report.testResults.map((result) => [relative(root, result.name), result]))
  return wanted.filter((file) => {
    const result = named.get(file)
    return result === undefined || result.assertionResults.length === 0
  })
}

/** Vitest's own report; `undefined` when there is none, or only half of one. */
function read(name: string): Report | undefined {
  try {
    const report = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Partial<Report>
    const counts = [report.numPassedTests, report.numFailedTests, report.numPendingTests, report.numTodoTests]
    return counts.every(Number.isInteger) && Array.isArray(report.testResults) ? (report as Report) : undefined // looked at above
  } catch {
    return undefined
  }
}
