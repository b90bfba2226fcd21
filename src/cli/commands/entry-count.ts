import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { filterOf, filterOptions } from '../entry-options.ts'

export const command: Command = define({
  about: 'Counts the entries that match every filter given.',
  options: { ...filterOptions, ...serverSocket, ...dataFolder },
  examples: ['mayfly entry count', 'mayfly entry count --owner data-team --json'],
  async run({ options }, context) {
    using server = await connectServer(options, context)
    const { count } = await server.unary('mayfly.v1.Registry', 'CountEntries', { filter: await filterOf(options, server, context.signal) }, { signal: context.signal })
    if (options.json) context.output.json({ count })
    else context.output.line(String(count))
  },
})
