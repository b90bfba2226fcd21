import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<name>',
  positionals: [1, 1],
  about: 'Registers a person or team that answers for entries, roles and grants, or changes how they are reached.',
  options: { contact: { type: 'string', value: 'TEXT', help: 'how people reach it' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly owner add data-team --contact "#data on chat"'],
  async run({ options, positionals: [name = ''] }, context) {
    using server = await connectServer(options, context)
    const owner = await server.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name, contact: options.contact ?? '' }, { signal: context.signal })
    if (options.json) context.output.json({ name: owner.name, contact: owner.contact })
    else context.output.line(`${owner.name} is an owner`)
  },
})
