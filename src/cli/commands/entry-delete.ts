import { usage } from '../arguments.ts'
import { inBatches, reportBatch, requireOk } from '../batches.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<entry>…',
  positionals: [0, 10_000],
  about: 'Deletes entries. Their live SVIDs are revoked in the same moment: peers refuse them, connections are cut.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly entry delete payments', 'mayfly entry list --owner old-team --json | jq -r .id | xargs mayfly entry delete'],
  async run({ options, positionals: ids }, context) {
    const { output, signal } = context
    if (ids.length === 0) throw usage('entry delete', '<entry> is missing')
    using server = await connectServer(options, context)
    const results = await inBatches(context, 'deleted', ids, async (batch) => {
      const answer = await server.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [...batch] }, { signal })
      return answer.results.map((result) => ({ status: result.status, entry: { entry: { ...emptyEntry, id: result.id }, options: null, disabled: false } }))
    })
    const [only] = results
    if (ids.length === 1) requireOk(only?.status)
    return reportBatch(output, options.json, 'deleted', results)
  },
})

/** The results of a deletion carry the ID alone. */
const emptyEntry = { spiffeId: null, parentId: null, selectors: [], x509SvidTtl: 0, federatesWith: [], admin: false, downstream: false, expiresAt: 0, dnsNames: [], revisionNumber: 0, storeSvid: false, jwtSvidTtl: 0, hint: '', createdAt: 0 }
