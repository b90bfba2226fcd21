import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<from> <to>',
  positionals: [2, 2],
  about: 'Gives everything of one owner to another: entries, roles and running grants. Requests that wait lapse: what people were to approve is another request then.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly owner transfer alice data-team'],
  async run({ options, positionals: [from = '', to = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { grants, entries, roles } = await server.unary('mayfly.v1.GrantAdmin', 'TransferOwner', { from, to }, { signal })
    if (options.json) output.json({ from, to, grants, entries, roles })
    else output.line(`${to} now answers for ${entries} entries, ${roles} roles and ${grants} grants that were ${from}'s`)
  },
})
