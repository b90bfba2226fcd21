// `npm run soak -- [--minutes 60] [--agents 3] [--entries 10] [--verifiers 20] [--pace 1] [--json]`: builds the package and runs what was built for so long, under the load of every
// day. A row a minute with what failed in it, then the verdict; exit code 0 only if nothing went wrong and nothing grew. `--pace 2` does half as much. Ctrl-C: the verdict on what
// there is. What is built anew in the same folder meanwhile fails here: give a soak a clone of its own.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import type { Flatness } from './flatness.ts'
import { soak, type Row, type Verdict } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    agents: { type: 'string', default: '3' },
    entries: { type: 'string', default: '10' },
    verifiers: { type: 'string', default: '20' },
    pace: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const numbers = { minutes: Number(values.minutes), agents: Number(values.agents), entries: Number(values.entries), verifiers: Number(values.verifiers), pace: Number(values.pace) }
for (const [name, value] of Object.entries(numbers)) {
  if (value > 0) continue
  console.error(`mayfly: --${name} is no number above 0\nhint: npm run soak -- --minutes 60`)
  process.exit(2)
}
const { minutes, agents, entries, verifiers, pace } = numbers
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())

execFileSync(process.execPath, [join(import.meta.dirname, '../../tools/build.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })
process.env['MAYFLY_BUILT'] = '1'
console.error(`a server, ${agents} agents with ${entries} workloads each, ${verifiers} verifiers, SVIDs of 40 s; ${minutes} minutes`)
let told = 0
const verdict = await soak({
  minutes,
  agents,
  entries,
  verifiers,
  pace: { fetchMs: 500 * pace, revokeMs: 3_000 * pace, grantMs: 3_000 * pace, agentMs: 20_000 * pace },
  memoryMb: { perHour: 8, floor: 4 },
  descriptors: { perHour: 4, floor: 3 },
  row: (row) => console.error(shown(row)),
  signal: stop.signal,
})
if (values.json) console.log(JSON.stringify({ name: 'soak', ...verdict }))
else console.log(summed(verdict))
process.exitCode = verdict.isGood ? 0 : 1

function shown({ atMs, rotations, tally, processes }: Row): string {
  const done = `${(atMs / 60_000).toFixed(1).padStart(5)} min  ${rotations} rotations, ${tally.fetches} fetches, ${tally.revocations} revoked (${tally.slowestRevocationMs} ms at most), ${tally.grants} grants, ${tally.agents} agents came and went, ${tally.failures.length} failures`
  const failed = tally.failures.slice(told).map((failure) => `\n           failed: ${failure}`)
  told = tally.failures.length
  return `${done}${failed.join('')}\n           ${Object.entries(processes).map(([name, { mb, descriptors }]) => `${name} ${mb.toFixed(1)} MB ${descriptors} fd`).join('   ')}`
}

function summed({ isGood, minutes: lasted, rotations, tally, databaseMb, processes }: Verdict): string {
  const lines = Object.entries(processes).flatMap(([name, { memory, descriptors }]) => [said(`${name}: memory`, memory, 'MB'), said(`${name}: descriptors`, descriptors, 'fd')])
  return [
    `after ${lasted.toFixed(1)} minutes: ${rotations} rotations, ${tally.fetches} fetches, ${tally.revocations} revocations (${tally.slowestRevocationMs} ms at most), ${tally.grants} grants, ${tally.agents} agents came and went; the database has ${databaseMb.toFixed(1)} MB`,
    ...lines,
    ...tally.failures.map((failure) => `failed: ${failure}`),
    isGood ? 'good: nothing grew, nothing failed' : 'NOT good',
  ].join('\n')
}

/** The line fitted to the second half, and what it may do. */
function said(what: string, { isFlat, perHour, rise, uncertainty, allowed }: Flatness, unit: string): string {
  return `${isFlat ? 'flat  ' : 'GROWS '} ${what.padEnd(24)} ${rise.toFixed(2)} ± ${uncertainty.toFixed(2)} ${unit} in the second half, ${perHour.toFixed(1)} ${unit} an hour; may ${allowed.toFixed(1)} ${unit}`
}
