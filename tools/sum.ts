// Adds up the reports of a folder: what .ci/run prints last, and whether it is green. The rules are in tally.ts.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { readReport } from './report.ts'
import { root } from './steps.ts'
import { suites } from './suites.ts'
import { tally, type Circumstances } from './tally.ts'

const [folder = '.'] = process.argv.slice(2)
const lines = (name: string): string[] => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8').trim().split('\n') : [])
const failedSteps = new Set(lines('failed-steps'))
const outOfTime = new Set(lines('out-of-time'))
const notBegun = new Set(lines('not-begun'))
/** But for those of `npm run faults`, which take too long to be of this. */
const testFiles = globSync('test/**/*.test.ts', { cwd: root }).filter((file) => !file.startsWith('test/faults/'))
const beside = ['types', 'lint', 'second-try'].filter((step) => failedSteps.has(step) || outOfTime.has(step))
const inNoSuite = testFiles.filter((name) => !suites.some(({ runs }) => runs(name)))

const tallies = suites.map((suite) => {
  const again = globSync(`${suite.name}.again.*.json`, { cwd: folder }).flatMap((name) => readReport(join(folder, name)) ?? [])
  const sum = tally(suite, readReport(join(folder, `${suite.name}.json`)), { again, testFiles, step: stepOf(suite.name) })
  console.log(`${suite.name}: ${sum.words}`)
  return sum
})
for (const step of beside) console.log(`failed: ${step}`)
for (const file of inNoSuite) console.log(`in no suite: ${file}`)
for (const failure of tallies.flatMap(({ failures }) => failures)) console.log(`failed: ${failure}`)
for (const text of [...lines('not-tried-again'), ...(notBegun.has('second-try') ? ['no second try: no time left'] : [])]) console.log(text)
for (const mended of tallies.flatMap(({ secondTry }) => secondTry)) console.log(`needed a second try, alone: ${mended}`)

const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map((key) => tallies.reduce((sum, each) => sum + each[key], 0)) as [number, number, number] // as many as the keys
const allFailed = failed + beside.length + inNoSuite.length
console.log(`${passed} passed, ${allFailed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = allFailed > 0 || passed === 0 ? 1 : 0

function stepOf(name: string): Circumstances['step'] {
  if (notBegun.has(name)) return 'not begun'
  if (outOfTime.has(name)) return 'out of time'
  if (!failedSteps.has(name)) return 'ok'
  return name === 'test' && (failedSteps.has('types') || failedSteps.has('lint')) ? 'ok' : 'failed' // its step is these too, and they are counted by themselves
}
