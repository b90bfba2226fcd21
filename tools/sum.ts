// Adds up the JSON reports of a folder: what .ci/run prints last. A step that failed beside its tests (types, lint, a crash,
// a missing report) counts as one failure, so that the line is never kinder than the exit code.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly success: boolean
}

const [folder = '.'] = process.argv.slice(2)
const suites = { test: 'fast', slow: 'slow', interop: 'interop', fuzz: 'fuzz' }
const lines = (name: string): string[] => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8').trim().split('\n') : [])
const failedSteps = new Set(lines('failed-steps'))
const unfinished = new Set(lines('unfinished'))
let passed = 0
let failed = 0
let skipped = 0

for (const [stepName, suite] of Object.entries(suites)) {
  const report = read(suite)
  passed += report?.numPassedTests ?? 0
  skipped += (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
  const failures = report?.numFailedTests ?? 0
  const broken = failures === 0 && (failedSteps.has(stepName) || unfinished.has(stepName) || report === undefined)
  failed += failures + (broken ? 1 : 0)
  const word = unfinished.has(stepName) ? 'not begun, no time left' : report === undefined ? 'no report' : `${report.numPassedTests} passed, ${failures} failed`
  console.log(`${stepName}: ${word}${broken && report !== undefined ? ', and the step itself failed' : ''}`)
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function read(suite: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, `${suite}.json`), 'utf8')) as Report // vitest's own report
  } catch {
    return undefined
  }
}
