import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer, endingTimeoutMs } from '../connection.ts'
import { idToWire, typedId } from '../ids.ts'

export const command: Command = define({
  arguments: '<id>',
  positionals: [1, 1],
  about: "Ends an agent's SVID and all that it obtained for its workloads. It may join anew with another token.",
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly agent evict spiffe://example.org/spire/agent/join_token/6c1f1f0e-63a4-4a0b-9f0c-0f2b8f6c3a11'],
  async run({ options, positionals: [text = ''] }, context) {
    using server = await connectServer(options, context)
    const id = await typedId(text, server, context.signal)
    await server.unary('spire.api.server.agent.v1.Agent', 'DeleteAgent', { id: idToWire(id) }, { signal: context.signal, timeoutMs: endingTimeoutMs })
    if (options.json) context.output.json({ id, evicted: true })
    else context.output.line(`${id} is evicted`)
  },
})
