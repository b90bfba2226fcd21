import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** As it was before any was taken away. */
const cores = availableParallelism()

/** Whether main threads can have a core that nobody else takes. */
export function canOwnCore(): boolean {
  return cores > 1 && spawnSync('taskset', ['--version']).status === 0
}

/** Gives the main threads of some processes the last core; all their other threads, and all of others, the rest. What they start later is where its starter is. */
export function giveOwnCore(pids: readonly number[], others: readonly number[]): void {
  const last = cores - 1
  for (const pid of [...pids, ...others]) for (const thread of readdirSync(`/proc/${pid}/task`)) pin(Number(thread), last === 1 ? '0' : `0-${last - 1}`)
  for (const pid of pids) pin(pid, String(last))
}

function pin(thread: number, to: string): void {
  execFileSync('taskset', ['--cpu-list', '--pid', to, String(thread)], { stdio: 'ignore' })
}
