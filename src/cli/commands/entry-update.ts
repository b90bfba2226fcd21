import type { EntryMask } from '../../../proto/generated/spire/api/types/EntryMask.ts'
import type { EntryOptionsMask } from '../../../proto/generated/mayfly/v1/EntryOptionsMask.ts'
import type { EntryResult__Output as EntryResult } from '../../../proto/generated/mayfly/v1/EntryResult.ts'
import { usage } from '../arguments.ts'
import { inBatches, reportBatch, requireOk } from '../batches.ts'
import { define, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { entryToJson, entryToWire, printEntry, ttlSeconds } from '../entries.ts'
import type { EntryJson } from '../entries.ts'
import { readEntryFile } from '../entry-file.ts'
import type { EntryDraft } from '../entry-file.ts'
import { entryOptions } from '../entry-options.ts'
import { typedId } from '../ids.ts'
import type { RpcChannel } from '../../rpc/channel.ts'

export const command: Command = define({
  arguments: '[entry]',
  positionals: [0, 1],
  about: 'Changes an entry: only what is given. Agents sign its SVIDs anew at once. A flag such as --admin is taken back by --no-admin.',
  options: {
    ...entryOptions,
    'no-admin': { type: 'boolean', help: 'take --admin back' },
    'no-downstream': { type: 'boolean', help: 'take --downstream back' },
    'no-prefetch': { type: 'boolean', help: 'take --prefetch back' },
    'no-keep-on-exit': { type: 'boolean', help: 'take --keep-on-exit back' },
    'no-crl': { type: 'boolean', help: 'take --crl back' },
    data: { type: 'string', value: 'FILE', help: 'many at once from a JSON or YAML file, or - for stdin; each with its id' },
    ...serverSocket,
  },
  examples: ['mayfly entry update payments --x509-ttl 10m', 'mayfly entry update payments -s unix:uid:1000 -s unix:path:/usr/bin/pay', 'mayfly entry update --data entries.json'],
  async run({ options, positionals: [id] }, context) {
    const { output, signal } = context
    using server = await connectServer({ ...options, data: undefined }, context)
    if (options.data !== undefined) {
      const drafts = await readEntryFile(options.data, context.cwd, process.stdin)
      const results: EntryResult[] = []
      for (const group of groupByMask(drafts)) results.push(...(await inBatches(context, 'updated', group, (batch) => update(server, batch, signal))))
      return reportBatch(output, options.json, 'updated', results)
    }
    if (id === undefined) throw usage('entry update', '<entry> is missing')
    const draft: EntryDraft = {
      id,
      spiffeId: options.id === undefined ? undefined : await typedId(options.id, server, signal),
      parentId: options.parent === undefined ? undefined : await typedId(options.parent, server, signal),
      selectors: options.selector.length === 0 ? undefined : options.selector,
      x509SvidTtlSeconds: options['x509-ttl'] === undefined ? undefined : ttlSeconds(options['x509-ttl']),
      jwtSvidTtlSeconds: options['jwt-ttl'] === undefined ? undefined : ttlSeconds(options['jwt-ttl']),
      dnsNames: options['dns-name'].length === 0 ? undefined : options['dns-name'],
      federatesWith: options['federates-with'].length === 0 ? undefined : options['federates-with'],
      owner: options.owner,
      hint: options.hint,
      expiresAt: options['expires-at'],
      admin: flag(options.admin, options['no-admin']),
      downstream: flag(options.downstream, options['no-downstream']),
      prefetch: flag(options.prefetch, options['no-prefetch']),
      keepOnExit: flag(options['keep-on-exit'], options['no-keep-on-exit']),
      crl: flag(options.crl, options['no-crl']),
    }
    if (membersOf(draft).length === 0) throw usage('entry update', 'nothing to change')
    const [result] = await update(server, [draft], signal)
    requireOk(result?.status)
    if (result?.entry === undefined || result.entry === null) return 1
    const updated = entryToJson(result.entry)
    if (options.json) output.json(updated)
    else printEntry(output, updated)
    return 0
  },
})

/** The wire's mask has a name of its own for each member. */
const maskNames: Readonly<Partial<Record<keyof EntryJson, keyof EntryMask>>> = {
  spiffeId: 'spiffeId',
  parentId: 'parentId',
  selectors: 'selectors',
  x509SvidTtlSeconds: 'x509SvidTtl',
  jwtSvidTtlSeconds: 'jwtSvidTtl',
  dnsNames: 'dnsNames',
  federatesWith: 'federatesWith',
  hint: 'hint',
  admin: 'admin',
  downstream: 'downstream',
  storeSvid: 'storeSvid',
  expiresAt: 'expiresAt',
}
const optionMaskNames: Readonly<Partial<Record<keyof EntryJson, keyof EntryOptionsMask>>> = { owner: 'owner', prefetch: 'prefetch', keepOnExit: 'keepOnExit', crl: 'crl' }

/** All of one group name the same members, because a call has one mask. */
async function update(server: RpcChannel, drafts: readonly EntryDraft[], signal: AbortSignal): Promise<readonly EntryResult[]> {
  const [first = {}] = drafts
  const members = membersOf(first)
  const entries = drafts.map((draft) => {
    const known = { ...draft, spiffeId: draft.spiffeId ?? placeholder, parentId: draft.parentId ?? placeholder, selectors: draft.selectors ?? [] }
    return entryToWire(Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as unknown as EntryJson) // required members are set above
  })
  const mask: EntryMask = Object.fromEntries(members.flatMap((member) => (maskNames[member] === undefined ? [] : [[maskNames[member], true]])))
  const optionsMask: EntryOptionsMask = Object.fromEntries(members.flatMap((member) => (optionMaskNames[member] === undefined ? [] : [[optionMaskNames[member], true]])))
  return (await server.unary('mayfly.v1.Registry', 'UpdateEntries', { entries, mask, optionsMask }, { signal })).results
}

/** Not in the mask, so never read. */
const placeholder = 'spiffe://unchanged'

function membersOf(draft: EntryDraft): readonly (keyof EntryJson)[] {
  const names = Object.keys(draft) as (keyof EntryJson)[] // a draft has only members of an entry
  return names.filter((name) => draft[name] !== undefined && (name in maskNames || name in optionMaskNames))
}

function groupByMask(drafts: readonly EntryDraft[]): readonly (readonly EntryDraft[])[] {
  return [...Map.groupBy(drafts, (draft) => membersOf(draft).toSorted().join(' ')).values()]
}

function flag(on: boolean, off: boolean): boolean | undefined {
  return on ? true : off ? false : undefined
}
