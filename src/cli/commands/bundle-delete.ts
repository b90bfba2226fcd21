import { MayflyError } from '../../core/errors.ts'
import { usage } from '../arguments.ts'
import { requireOk } from '../batches.ts'
import { trustDomainArgument } from '../bundles.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer, endingTimeoutMs } from '../connection.ts'

const modes = { restrict: 'RESTRICT', dissociate: 'DISSOCIATE', delete: 'DELETE' } as const
/** So many entries are deleted without being counted first. */
const uncounted = 10

export const command: Command = define({
  arguments: '<trust domain>',
  positionals: [1, 1],
  about: [
    'Deletes the bundle of another trust domain: workloads that federate with it trust nothing of it from then on. While entries name it, it is refused, unless they',
    'are dissociated (they stay, without it) or deleted too, with their SVIDs. Over ten entries to delete it wants --expect with their number.',
  ].join('\n'),
  options: {
    mode: { type: 'string', value: 'MODE', help: 'restrict (the default), dissociate or delete: what becomes of entries that name it' },
    expect: { type: 'string', value: 'N', help: 'do nothing unless exactly so many entries name it' },
    'dry-run': { type: 'boolean', short: 'n', help: 'only say how many entries name it' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly bundle delete partner.example', 'mayfly bundle delete partner.example --mode dissociate', 'mayfly bundle delete partner.example --mode delete --expect 40'],
  async run({ options, positionals: [name = ''] }, context) {
    const { output, signal } = context
    const trustDomain = trustDomainArgument(name)
    const mode = options.mode ?? 'restrict'
    if (!isMode(mode)) throw usage('bundle delete', `no mode ${JSON.stringify(mode)}: restrict, dissociate or delete`)
    const expect = options.expect === undefined ? undefined : Number(options.expect)
    if (expect !== undefined && (!Number.isInteger(expect) || expect < 0)) throw usage('bundle delete', '--expect is not a number of entries')
    using server = await connectServer(options, context)
    const { count } = await server.unary('spire.api.server.entry.v1.Entry', 'CountEntries', { filter: { byFederatesWith: { trustDomains: [trustDomain], match: 'MATCH_SUPERSET' } } }, { signal })
    const named = `${count} ${count === 1 ? 'entry names' : 'entries name'} ${trustDomain}`
    if (options['dry-run']) {
      if (options.json) output.json({ dryRun: true, trustDomain, entries: count })
      else output.line(`${named}; nothing was changed`)
      return
    }
    if (expect === undefined ? mode === 'delete' && count > uncounted : expect !== count) {
      throw new MayflyError('EXPECTATION_FAILED', `${named}${expect === undefined ? '' : `, not ${expect}`}; nothing was done`, { hint: `look at them with mayfly entry list, then give --expect ${count}` })
    }
    const { results } = await server.unary('spire.api.server.bundle.v1.Bundle', 'BatchDeleteFederatedBundle', { trustDomains: [trustDomain], mode: modes[mode] }, { signal, timeoutMs: endingTimeoutMs })
    requireOk(results[0]?.status, count > 0 ? '--mode dissociate leaves the entries without it, --mode delete deletes them too' : 'mayfly bundle list')
    if (options.json) output.json({ dryRun: false, trustDomain, mode, entries: count })
    else output.line(`deleted ${trustDomain}${count === 0 ? '' : `; ${count} ${count === 1 ? 'entry' : 'entries'} ${mode === 'delete' ? 'deleted' : 'dissociated'}`}`)
  },
})

function isMode(text: string): text is keyof typeof modes {
  return Object.hasOwn(modes, text)
}
