// `npm run bench -- <name> [--json]`: builds the package and measures what was built, from outside, as a client would, beside the limit of the
// machine in the same run.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { printTable, type Report } from './figure.ts'

type Bench = (args: readonly string[]) => Promise<Report>

const benches: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  issuance: () => import('./issuance.ts'),
  entries: () => import('./entries.ts'),
  'workload-api': () => import('./workload-api.ts'),
  propagation: () => import('./propagation.ts'),
  memory: () => import('./memory.ts'),
  startup: () => import('./startup.ts'),
  'revocation-check': () => import('./revocation-check.ts'),
  'revocation-rate': () => import('./revocation-rate.ts'),
  snapshot: () => import('./snapshot.ts'),
  'revocation-latency': () => import('./revocation-latency.ts'),
  'process-death': () => import('./process-death.ts'),
  step: () => import('./step.ts'),
  policy: () => import('./policy.ts'),
  'grant-lifecycle': () => import('./grant-lifecycle.ts'),
  reconnect: () => import('./reconnect.ts'),
  agents: () => import('./agents.ts'),
}

const { values, positionals } = parseArgs({ allowPositionals: true, strict: false, options: { json: { type: 'boolean' } } })
const [name = '', ...rest] = positionals
const load = benches[name]
if (load === undefined) {
  console.error(`mayfly: no benchmark ${JSON.stringify(name)}\nhint: npm run bench -- ${Object.keys(benches).join('|')} [--json]`)
  process.exitCode = 2
} else {
  execFileSync(process.execPath, [join(import.meta.dirname, '../../tools/build.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })
  process.env['MAYFLY_BUILT'] = '1'
  const report = await (await load()).bench(rest)
  if (values['json'] === true) console.log(JSON.stringify(report))
  else printTable(report)
}
