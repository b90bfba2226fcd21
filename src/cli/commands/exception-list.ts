import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { timeText, whenText } from '../when.ts'

export const command: Command = define({
  about: 'Exceptions, those past their review too: they have no effect any more, and are listed until somebody removes them.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly exception list'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    using server = await connectServer(options, context)
    const { exceptions } = await server.unary('mayfly.v1.Policies', 'ListExceptions', {}, { signal })
    if (options.json) for (const { createdAtMs, reviewAtMs, signature: _signature, ...rest } of exceptions) output.json({ ...rest, createdAt: timeText(createdAtMs), reviewAt: timeText(reviewAtMs) })
    else {
      output.table(['EXCEPTION', 'CONTROL', 'SCOPE', 'OWNER', 'APPROVER', 'REVIEW', 'REASON'], exceptions.map(({ id, control, scope, owner, approver, reviewAtMs, expired, reason }) => [id, control, scope, owner, approver, expired ? `due ${whenText(reviewAtMs, clock.nowMs())}: no effect` : whenText(reviewAtMs, clock.nowMs()), reason]))
    }
  },
})
