import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../src/system/clock.ts'
import { elapsedMs, residentMb } from '../bench/machine.ts'
import { openFiles } from '../support/hostile/watch.ts'
import { jobRole } from '../support/product/grants.ts'
import { node24, Program, root } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'
import { flatness, type Bound, type Flatness, type Sample } from './flatness.ts'
import { joined, Load, type Joined, type Pace, type Tally } from './load.ts'

export interface SoakOptions {
  readonly minutes: number
  /** Agents that stay. */
  readonly agents: number
  /** Entries of each. */
  readonly entries: number
  readonly verifiers: number
  readonly pace: Pace
  readonly memoryMb: Bound
  readonly descriptors: Bound
  /** Told now and then what is so. */
  readonly row: (row: Row) => void
  /** Ends it early. */
  readonly signal: AbortSignal
}

/** How things stand at a moment. */
export interface Row {
  readonly atMs: number
  readonly rotations: number
  readonly tally: Readonly<Tally>
  /** By process. */
  readonly processes: Readonly<Record<string, { readonly mb: number; readonly descriptors: number }>>
}

export interface Verdict {
  readonly isGood: boolean
  readonly minutes: number
  readonly rotations: number
  readonly tally: Readonly<Tally>
  /** The server's database, MB at the end: the journal is kept whole, so this grows. */
  readonly databaseMb: number
  readonly processes: Readonly<Record<string, { readonly memory: Flatness; readonly descriptors: Flatness }>>
}

/** SVIDs are rotated at half their life. */
const svidTtlSeconds = 40
const lookMs = 2_000
const collected = { NODE_OPTIONS: `--import=${new URL('./collect.mjs', import.meta.url).href}` }

/** Runs the product under the load of every day for so long, and says whether anything grew or went wrong. Stops all that it started. */
export async function soak({ minutes, agents: count, entries, verifiers, pace, memoryMb, descriptors, row, signal }: SoakOptions): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  const config = join(folder, 'server.yaml')
  writeFileSync(config, `logLevel: warn\nca:\n  x509SvidTtl: ${svidTtlSeconds}s\n  agentSvidTtl: 2m\nlimits:\n  attestationsPerSecond: 1000\n`)
  try {
    await using product = await Product.start({ serverArgs: ['--config', config], agentArgs: ['--log-level', 'warn'], server: { env: collected }, agent: { env: collected } })
    const agents: Joined[] = []
    for (let at = 0; at < count; at++) agents.push(await joined(product))
    const selectors = [`unix:uid:${process.getuid?.() ?? 0}`]
    for (const [at, { id: parentId }] of agents.entries()) await product.createEntries(Array.from({ length: entries }, (_, entry) => ({ spiffeId: `spiffe://${product.trustDomain}/kept/${at}/${entry}`, parentId, selectors })))
    await jobRole(product)
    await using load = await Load.start(product, agents, pace)
    await using services = new Program(node24, [join(root, 'test/soak/verifiers.ts'), agents[0]?.agent.workloadSocket ?? '', String(verifiers)], { env: collected })
    await services.event('attached')

    const pids = new Map([['server', product.server.pid], ...agents.map(({ agent }, at) => [`agent ${at}`, agent.program?.pid ?? 0] as const), ['verifiers', services.pid]])
    const samples = new Map([...pids.keys()].map((name) => [name, { memory: [] as Sample[], descriptors: [] as Sample[] }]))
    const startedMs = elapsedMs()
    const rowEveryMs = Math.min(60_000, (minutes * 60_000) / 6)
    let nextRowMs = rowEveryMs
    for (let atMs = 0; atMs < minutes * 60_000 && !signal.aborted; atMs = elapsedMs() - startedMs) {
      await systemClock.sleep(lookMs, signal).catch(() => undefined) // only aborts
      const now: Record<string, { readonly mb: number; readonly descriptors: number }> = {}
      for (const [name, pid] of pids) {
        const [mb, open] = [residentMb(pid), openFiles(pid)]
        now[name] = { mb, descriptors: open }
        samples.get(name)?.memory.push({ atMs, value: mb })
        samples.get(name)?.descriptors.push({ atMs, value: open })
      }
      if (atMs < nextRowMs && !signal.aborted) continue
      nextRowMs += rowEveryMs
      row({ atMs, rotations: load.rotations, tally: load.tally, processes: now })
    }
    const processes = Object.fromEntries([...samples].map(([name, kept]) => [name, { memory: flatness(kept.memory, memoryMb), descriptors: flatness(kept.descriptors, descriptors) }]))
    const isGood = load.tally.failures.length === 0 && Object.values(processes).every((one) => one.memory.isFlat && one.descriptors.isFlat)
    return { isGood, minutes: (elapsedMs() - startedMs) / 60_000, rotations: load.rotations, tally: { ...load.tally }, databaseMb: statSync(join(product.dir, 'server/mayfly.db')).size / 1e6, processes }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
