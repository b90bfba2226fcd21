import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<entry>',
  positionals: [1, 1],
  about: 'No new SVIDs for an entry; those that live go on to their end. To end them too: mayfly revoke --entry.',
  options: { reason: { type: 'string', value: 'TEXT', help: 'goes into the record' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly entry disable payments --reason "team is moving"'],
  async run({ options, positionals: [entryId = ''] }, context) {
    using server = await connectServer(options, context)
    await server.unary('mayfly.v1.Revocations', 'Disable', { target: { entryId }, reason: options.reason ?? '' }, { signal: context.signal })
    if (options.json) context.output.json({ entryId, disabled: true })
    else context.output.line(`entry ${entryId} is disabled`)
  },
})
