// `npm test [-- vitest arguments]`: types, lint and the fast suite; all three run, whatever the first says.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

import { lint, typecheck } from './steps.ts'
import { runSuite } from './suites.ts'

const reports = process.env['MAYFLY_TEST_REPORTS']
const codes: number[] = []
for (const [name, run] of [['types', typecheck], ['lint', lint]] as const) {
  const code = await run()
  if (code !== 0 && reports !== undefined) appendFileSync(join(reports, 'failed-steps'), `${name}\n`)
  codes.push(code)
}
codes.push(await runSuite('test', process.argv.slice(2)))
process.exitCode = codes.find((code) => code !== 0) ?? 0
