import type { EntryMatch__Output as EntryMatch } from '../../../proto/generated/mayfly/v1/EntryMatch.ts'
import type { ExplainProcessResponse__Output as Explanation } from '../../../proto/generated/mayfly/v1/ExplainProcessResponse.ts'
import { MayflyError } from '../../core/errors.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { connectAgent, connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { entryToJson } from '../entries.ts'
import type { PlaceOptions } from '../places.ts'

/** What the agent sees of a process, entry by entry. @throws {MayflyError} NOT_FOUND when there is no such process */
export async function explainProcess(pid: number, options: PlaceOptions & { readonly json: boolean }, context: Context): Promise<number> {
  const { output, signal } = context
  using agent = await connectAgent(options, context)
  const seen = await explain(agent, pid, signal)
  const mend = await mendingCommand(seen, options, context)
  if (options.json) {
    output.json({ pid, tier: seen.tier, selectors: seen.selectors, entries: seen.entries, ...(mend === undefined ? {} : { mend }) })
    return 0
  }
  output.line(`process ${pid}, bound by ${seen.tier}, shows`)
  for (const selector of seen.selectors) output.line(`  ${selector}`)
  output.line()
  if (seen.entries.length === 0) output.line('this agent has no entries')
  for (const entry of seen.entries.slice(0, 10)) output.line(entryLine(entry))
  if (seen.entries.length > 10) output.line(`and ${seen.entries.length - 10} more that match less (--json)`)
  output.line()
  const held = seen.entries.filter((entry) => entry.matched)
  output.line(held.length === 0 ? 'so it gets PermissionDenied: no entry has only selectors that it shows' : `so it gets ${held.map((entry) => entry.spiffeId).join(', ')}`)
  if (mend !== undefined) output.line(`hint: ${mend}`)
  return 0
}

async function explain(agent: RpcChannel, pid: number, signal: AbortSignal): Promise<Explanation> {
  try {
    return await agent.unary('mayfly.v1.AgentAdmin', 'ExplainProcess', { pid }, { signal })
  } catch (error) {
    if (error instanceof MayflyError && error.code === 'PROCESS_GONE') throw new MayflyError('NOT_FOUND', error.message, { cause: error })
    throw error
  }
}

function entryLine(entry: EntryMatch): string {
  const note = entry.note === '' ? '' : ` (${entry.note})`
  if (entry.matched) return `  yes  ${entry.spiffeId}  entry ${entry.entryId}${note}`
  return `  no   ${entry.spiffeId}  entry ${entry.entryId}: lacks ${entry.missingSelectors.join(' and ')}${note}`
}

/**
 * Nothing when it has an identity. Else the nearest entry that shares a selector with the process, with what it lacks replaced by
 * what the process shows of the same kind; else a new entry by uid and path.
 */
async function mendingCommand(seen: Explanation, options: PlaceOptions, context: Context): Promise<string | undefined> {
  if (seen.entries.some((entry) => entry.matched)) return undefined
  const [nearest] = seen.entries
  const selectors = nearest === undefined ? [] : await selectorsOf(nearest.entryId, options, context)
  const kept = selectors.filter((selector) => !(nearest?.missingSelectors ?? []).includes(selector))
  const replaced = (nearest?.missingSelectors ?? []).map((missing) => seen.selectors.find((shown) => kindOf(shown) === kindOf(missing)))
  if (nearest !== undefined && kept.length > 0 && replaced.every((selector) => selector !== undefined)) {
    return `mayfly entry update ${nearest.entryId} ${[...kept, ...replaced].map((selector) => `-s ${quoted(selector)}`).join(' ')}`
  }
  const telling = seen.selectors.filter((selector) => ['unix:uid', 'unix:path'].includes(kindOf(selector)))
  return `mayfly entry create --id /NAME ${telling.map((selector) => `-s ${quoted(selector)}`).join(' ')}`
}

async function selectorsOf(entryId: string, options: PlaceOptions, context: Context): Promise<readonly string[]> {
  try {
    using server = await connectServer(options, context)
    return entryToJson(await server.unary('mayfly.v1.Registry', 'GetEntry', { id: entryId }, { signal: context.signal, timeoutMs: 3_000 })).selectors
  } catch (error) {
    if (error instanceof MayflyError) return [] // the agent alone has said enough
    throw error
  }
}

/** `unix:path` of `unix:path:/usr/bin/x`. */
function kindOf(selector: string): string {
  return selector.split(':').slice(0, 2).join(':')
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
