import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { grantLine, grantToJson } from '../grants.ts'
import { clockText } from '../when.ts'

export const command: Command = define({
  arguments: '[grant]',
  positionals: [0, 1],
  about: 'Prints every change of grants as it is committed, of one or of all, until Ctrl-C, or until that one is over.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly grant watch', 'mayfly grant watch 01j9z3k5m7p9r1t3v5x7z9b1d3 --json'],
  async run({ options, positionals: [grantId = ''] }, context) {
    const { output, signal, clock } = context
    using server = await connectServer(options, context)
    for await (const grant of server.serverStream('mayfly.v1.GrantAdmin', 'Watch', { grantId }, { signal })) {
      if (options.json) output.json(grantToJson(grant))
      else output.line(`${clockText(clock.nowMs())}  ${grantLine(grant)}`)
      if (grantId !== '' && overStates.has(grant.state)) return
    }
  },
})

const overStates = new Set(['denied', 'lapsed', 'ended'])
