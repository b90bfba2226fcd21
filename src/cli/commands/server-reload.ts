import { dataFolder, define, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { reload } from '../reload.ts'

export const command: Command = define({
  about: 'Has the server read its configuration file again, as SIGHUP does: what can change is in force at once, what cannot is named. A file with a problem changes nothing.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly server reload', 'mayfly server reload --json'],
  async run({ options }, context) {
    using channel = await connectServer(options, context)
    return await reload('server', channel, options.json, context)
  },
})
