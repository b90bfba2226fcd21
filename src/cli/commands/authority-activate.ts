import { authorityJson, shortId } from '../authorities.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<authority>',
  positionals: [1, 1],
  about: 'Lets a prepared authority sign; the one that did becomes old. It is refused while an agent with a valid SVID does not know it\nyet, because what it signs would be refused there.',
  options: { force: { type: 'boolean', help: 'also before every agent has acknowledged it' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly authority activate 3f1a9c0d'],
  async run({ options, positionals: [id = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const authority = await server.unary('mayfly.v1.Authorities', 'Activate', { id, force: options.force }, { signal })
    if (options.json) output.json(authorityJson(authority))
    else output.line(`authority ${shortId(authority.id)} signs from now on`)
  },
})
