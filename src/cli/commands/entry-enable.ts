import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<entry>',
  positionals: [1, 1],
  about: 'Lets a disabled entry have SVIDs again. What was revoked stays revoked; workloads get new ones.',
  options: { reason: { type: 'string', value: 'TEXT', help: 'goes into the record' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly entry enable payments --reason "key was not leaked after all"'],
  async run({ options, positionals: [entryId = ''] }, context) {
    using server = await connectServer(options, context)
    await server.unary('mayfly.v1.Revocations', 'Enable', { target: { entryId }, reason: options.reason ?? '' }, { signal: context.signal })
    if (options.json) context.output.json({ entryId, disabled: false })
    else context.output.line(`entry ${entryId} is enabled`)
  },
})
