import { dataFolder, define, agentSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectAgent } from '../connection.ts'
import { reload } from '../reload.ts'

export const command: Command = define({
  about: 'Has the agent read its configuration file again, as SIGHUP does: what can change is in force at once, what cannot is named. A file with a problem changes nothing.',
  options: { ...agentSocket, ...dataFolder },
  examples: ['mayfly agent reload', 'mayfly agent reload --json'],
  async run({ options }, context) {
    using channel = await connectAgent(options, context)
    return await reload('agent', channel, options.json, context)
  },
})
