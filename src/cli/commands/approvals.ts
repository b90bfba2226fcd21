import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { timeText, whenText } from '../when.ts'

export const command: Command = define({
  about: 'What waits for people: requests for a grant, and steps of running ones. mayfly approve and mayfly deny decide them.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly approvals', 'mayfly approvals --json'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    using server = await connectServer(options, context)
    const { approvals } = await server.unary('mayfly.v1.Approvals', 'List', {}, { signal })
    if (options.json) {
      for (const { id, grant, step, needed, givenBy, approvers, lapsesAtMs, canonical } of approvals) {
        output.json({ id, grant: grant?.id, spiffeId: grant?.spiffeId, role: grant?.role, requester: grant?.requester, owner: grant?.owner, intent: grant?.intent, step: step ?? undefined, flags: grant?.flags, needed, givenBy, approvers, lapsesAt: timeText(lapsesAtMs), words: canonical })
      }
      return
    }
    if (approvals.length === 0) return output.line('nothing waits')
    for (const { id, grant, step, needed, givenBy, approvers, lapsesAtMs } of approvals) {
      output.facts([
        ['id', id],
        [step === null ? 'request' : 'step', step === null ? `${grant?.intent?.actions.join(', ') ?? ''} on ${grant?.intent?.resources.join(', ') ?? ''}` : `${step.action} on ${step.resource}: ${JSON.stringify(step.description)}`],
        ['by', `${grant?.requester ?? ''} as ${grant?.spiffeId ?? ''} (role ${grant?.role ?? ''}, owner ${grant?.owner ?? ''})`],
        ['reason', JSON.stringify(grant?.intent?.reason ?? '')],
        ['ticket', grant?.intent?.ticket],
        ['flags', grant?.flags.join(', ')],
        ['approvals', `${givenBy.length} of ${needed}${givenBy.length === 0 ? '' : `: ${givenBy.join(', ')}`}; ${approvers.length === 0 ? 'every registered approver may, but what is their own' : `${approvers.join(', ')} may`}`],
        ['lapses', whenText(lapsesAtMs, clock.nowMs())],
      ])
      output.line()
    }
  },
})
