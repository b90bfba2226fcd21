import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<exception>',
  positionals: [1, 1],
  about: 'Removes an exception: the control holds again from now on.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly exception remove exception-4a1f9c0d2e7b8a63'],
  async run({ options, positionals: [name = ''] }, context) {
    using server = await connectServer(options, context)
    await server.unary('mayfly.v1.Policies', 'RemoveException', { name }, { signal: context.signal })
    if (options.json) context.output.json({ removed: name })
    else context.output.line(`${name} is removed`)
  },
})
