import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<name>',
  positionals: [1, 1],
  about: 'Removes a person: nothing is approved by their keys from now on, and what they approved and has not begun waits again or ends. What runs goes on; mayfly end ends it.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly person remove alice'],
  async run({ options, positionals: [name = ''] }, context) {
    using server = await connectServer(options, context)
    await server.unary('mayfly.v1.Approvals', 'RemovePerson', { name }, { signal: context.signal })
    if (options.json) context.output.json({ removed: name })
    else context.output.line(`${name} is no longer registered`)
  },
})
