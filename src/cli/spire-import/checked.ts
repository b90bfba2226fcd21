import type { RpcChannel } from '../../rpc/channel.ts'
import { inBatches, readStatus } from '../batches.ts'
import type { Context } from '../context.ts'
import type { Fate, Planned } from './plan.ts'

type Move = Extract<Fate, { readonly kind: 'moves' }>

/** The plan after the mayfly server has looked at what is to move, now or once its parent is named: what it would not take is refused, in its words. Nothing is made. */
export async function checkedByServer(plan: readonly Planned[], server: RpcChannel, context: Pick<Context, 'output' | 'clock' | 'signal'>): Promise<readonly Planned[]> {
  const asked = plan.flatMap(({ fate }) => (fate.kind === 'moves' || fate.kind === 'needs_parent' ? [fate] : []))
  const results = await inBatches(context, 'checked', asked, async (batch) => (await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: batch.map(({ wire }) => wire), dryRun: true }, { signal: context.signal })).results)
  const refusals = new Map<Fate, Fate>()
  for (const [at, { status }] of results.entries()) {
    const fate = asked[at]
    if (fate === undefined || status === null || status.code === 0) continue
    const { code, text } = readStatus(status)
    refusals.set(fate, { kind: 'refused', code, text })
  }
  return plan.map(({ entry, fate }) => ({ entry, fate: refusals.get(fate) ?? fate }))
}

export interface Applied {
  readonly created: number
  /** Made by somebody else meanwhile. */
  readonly there: number
  readonly failed: readonly { readonly id: string; readonly code: string; readonly text: string }[]
}

/** Makes what is to move, a hundred in each transaction; whoever is cut off half-way runs it again, and only the rest is made. */
export async function applyPlan(plan: readonly Planned[], server: RpcChannel, context: Pick<Context, 'output' | 'clock' | 'signal'>): Promise<Applied> {
  const moves = movesOf(plan)
  const results = await inBatches(context, 'created', moves, async (batch) => (await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: batch.map(({ wire }) => wire) }, { signal: context.signal })).results)
  const failed: { id: string; code: string; text: string }[] = []
  let created = 0
  let there = 0
  for (const [at, { status }] of results.entries()) {
    if (status === null || status.code === 0) created++
    else if (readStatus(status).code === 'ALREADY_EXISTS') there++
    else failed.push({ id: moves[at]?.wire.entry?.id ?? '', ...readStatus(status) })
  }
  return { created, there, failed }
}

export function movesOf(plan: readonly Planned[]): readonly Move[] {
  return plan.flatMap(({ fate }) => (fate.kind === 'moves' ? [fate] : []))
}
