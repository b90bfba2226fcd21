import { authorityJson, shortId } from '../authorities.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  about: 'Makes one more authority. It is in the bundle at once and signs nothing until it is activated, by hand or when half of the\nactive one\'s life is over.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly authority prepare'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const authority = await server.unary('mayfly.v1.Authorities', 'Prepare', {}, { signal })
    if (options.json) output.json(authorityJson(authority))
    else output.line(`authority ${shortId(authority.id)} is prepared; next: mayfly authority activate ${shortId(authority.id)}`)
  },
})
