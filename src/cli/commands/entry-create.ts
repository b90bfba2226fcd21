import { define, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { parentOf } from '../agents.ts'
import { usage } from '../arguments.ts'
import { inBatches, reportBatch, requireOk } from '../batches.ts'
import { connectServer } from '../connection.ts'
import { entryToJson, entryToWire, printEntry, ttlSeconds } from '../entries.ts'
import type { EntryJson } from '../entries.ts'
import { readEntryFile } from '../entry-file.ts'
import { entryOptions } from '../entry-options.ts'
import { typedId } from '../ids.ts'

export const command: Command = define({
  about: 'Registers a workload: processes that show all the selectors get the SPIFFE ID.\nWithout --parent it goes to the one agent there is.',
  options: {
    ...entryOptions,
    'entry-id': { type: 'string', value: 'ENTRY', help: 'the ID of the entry itself; a UUID when unset' },
    data: { type: 'string', value: 'FILE', help: 'many at once from a JSON or YAML file, or - for stdin; SPIRE\'s files do' },
    ...serverSocket,
  },
  examples: [
    'mayfly entry create --id /web --selector unix:uid:1000',
    'mayfly entry create --id spiffe://example.org/db -s unix:user:postgres -s unix:path:/usr/lib/postgresql/17/bin/postgres --owner data-team',
    'mayfly entry create --data entries.json',
  ],
  async run({ options }, context) {
    const { output, signal } = context
    const shared = { ...options, data: undefined }
    using server = await connectServer(shared, context)
    if (options.data !== undefined) {
      const drafts = await readEntryFile(options.data, context.cwd, process.stdin)
      const parent = drafts.some((draft) => draft.parentId === undefined) ? (await parentOf(options.parent, server, signal)) : ''
      const entries = drafts.map((draft) => entryToWire({ ...stated(draft), spiffeId: draft.spiffeId ?? '', parentId: draft.parentId ?? parent, selectors: draft.selectors ?? [] }))
      const results = await inBatches(context, 'created', entries, async (batch) => (await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [...batch] }, { signal })).results)
      return reportBatch(output, options.json, 'created', results)
    }
    if (options.id === undefined) throw usage('entry create', '--id is missing')
    if (options.selector.length === 0) throw usage('entry create', '--selector is missing')
    const entry = entryToWire({
      ...(options['entry-id'] === undefined ? {} : { id: options['entry-id'] }),
      spiffeId: await typedId(options.id, server, signal),
      parentId: await parentOf(options.parent, server, signal),
      selectors: options.selector,
      x509SvidTtlSeconds: ttlSeconds(options['x509-ttl']),
      jwtSvidTtlSeconds: ttlSeconds(options['jwt-ttl']),
      dnsNames: options['dns-name'],
      federatesWith: options['federates-with'],
      owner: options.owner ?? '',
      hint: options.hint ?? '',
      expiresAt: options['expires-at'] ?? '',
      admin: options.admin,
      downstream: options.downstream,
      prefetch: options.prefetch,
      keepOnExit: options['keep-on-exit'],
      crl: options.crl,
    })
    const { results } = await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [entry] }, { signal })
    const [result] = results
    requireOk(result?.status, result?.status?.code === 6 ? `mayfly entry show ${result.entry?.entry?.id ?? ''}` : undefined)
    if (result?.entry === undefined || result.entry === null) return 1
    const created = entryToJson(result.entry)
    if (options.json) output.json(created)
    else printEntry(output, created)
    return 0
  },
})

/** A draft without what it leaves out. */
function stated(draft: object): Partial<EntryJson> {
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined))
}
