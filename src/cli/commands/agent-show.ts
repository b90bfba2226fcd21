import { agentToJson } from '../agents.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { idToWire, typedId } from '../ids.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  arguments: '<id>',
  positionals: [1, 1],
  about: 'Shows one agent.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly agent show spiffe://example.org/spire/agent/join_token/6c1f1f0e-63a4-4a0b-9f0c-0f2b8f6c3a11'],
  async run({ options, positionals: [id = ''] }, context) {
    using server = await connectServer(options, context)
    const agent = agentToJson(await server.unary('spire.api.server.agent.v1.Agent', 'GetAgent', { id: idToWire(await typedId(id, server, context.signal)) }, { signal: context.signal }))
    if (options.json) {
      context.output.json(agent)
      return
    }
    context.output.facts([
      ['agent', agent.id],
      ['state', agent.banned ? 'banned' : 'joined'],
      ['attested by', agent.attestationType],
      ['serial', agent.serial],
      ['svid ends', whenText(Date.parse(agent.expiresAt), context.clock.nowMs())],
      ['version', agent.version],
      ...agent.selectors.map((selector, at): [string, string] => [at === 0 ? 'selectors' : '', selector]),
    ])
  },
})
