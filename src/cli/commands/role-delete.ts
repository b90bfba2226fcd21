import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<name>',
  positionals: [1, 1],
  about: 'Deletes a grant role: nothing is requested, activated or renewed under it any more. Grants that are active run until their SVIDs expire; mayfly end ends them now.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly role delete deploy'],
  async run({ options, positionals: [name = ''] }, context) {
    using server = await connectServer(options, context)
    await server.unary('mayfly.v1.GrantAdmin', 'DeleteRole', { name }, { signal: context.signal })
    if (options.json) context.output.json({ deleted: name })
    else context.output.line(`role ${name} is deleted`)
  },
})
