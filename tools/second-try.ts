// What .ci/run does with what failed: each file once more, alone, with nothing beside it. Says aloud what it tries and what it does not.
// node tools/second-try.ts <folder of reports> <seconds left>
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

import { readReport } from './report.ts'
import { runSuite, suites } from './suites.ts'
import { choose, enoughTime } from './tally.ts'

const [folder = '.', seconds = '0'] = process.argv.slice(2)
const endMs = performance.now() + Number(seconds) * 1_000
const { again, refused } = choose(suites.map(({ name }) => ({ suite: name, report: readReport(join(folder, `${name}.json`)) })))
if (refused !== undefined) say(refused)

for (const { suite, file, ms } of again) {
  const leftMs = endMs - performance.now()
  if (!enoughTime(ms, leftMs)) {
    say(`no second try, ${Math.max(0, Math.round(leftMs / 1_000))} s are left: ${file}`)
    continue
  }
  console.log(`\nA second try, alone: ${file}`)
  await runSuite(suite, [file], `${suite}.again.${file.replaceAll('/', '-')}`)
}

/** Here, and again beside the sum. */
function say(text: string): void {
  console.log(text)
  appendFileSync(join(folder, 'not-tried-again'), `${text}\n`)
}
