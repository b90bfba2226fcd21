import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { entryToJson, printEntry } from '../entries.ts'

export const command: Command = define({
  arguments: '<entry>',
  positionals: [1, 1],
  about: 'Shows one entry.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly entry show 6c1f1f0e-63a4-4a0b-9f0c-0f2b8f6c3a11', 'mayfly entry show payments --json'],
  async run({ options, positionals: [id = ''] }, context) {
    using server = await connectServer(options, context)
    const entry = entryToJson(await server.unary('mayfly.v1.Registry', 'GetEntry', { id }, { signal: context.signal }))
    if (options.json) context.output.json(entry)
    else printEntry(context.output, entry)
  },
})
