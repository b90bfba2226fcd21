// `npm run slow | timelines | interop | fuzz | faults [-- vitest arguments]`: the suites that `npm test` leaves out. The last takes a quarter of an hour, and .ci/run leaves it out too.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { root } from './steps.ts'
import { runSuite } from './suites.ts'

const [suite = 'slow', ...args] = process.argv.slice(2)
const filters = args.map((arg) => (existsSync(join(root, 'test', suite, arg)) ? join('test', suite, arg) : arg))
process.exitCode = await runSuite(suite, filters)
