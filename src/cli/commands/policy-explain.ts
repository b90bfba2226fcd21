import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { timeText } from '../when.ts'

export const command: Command = define({
  arguments: '<grant>',
  positionals: [1, 1],
  about: 'Says what policy decided about a grant, each time it was asked: the control that denied, or the permit that allowed, and the hash of the policy then; of what denied last, the text, which says what would have to be otherwise.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly policy explain 01j9z3k5m7p9r1t3v5x7z9b1d3', 'mayfly policy explain 01j9z3k5m7p9r1t3v5x7z9b1d3 --json | jq .request'],
  async run({ options, positionals: [grantId = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { decisions, request } = await server.unary('mayfly.v1.Policies', 'Explain', { grantId }, { signal })
    if (options.json) return output.json({ grant: grantId, decisions: decisions.map((decision) => ({ ...decision, atMs: undefined, time: timeText(decision.atMs) })), request: request === '' ? undefined : JSON.parse(request) })
    output.table(['WHEN', 'AT', 'DECISION', 'BY', 'POLICY'], decisions.map(({ atMs, at, allowed, reasons, policyHash }) => [timeText(atMs), at, allowed ? 'allowed' : 'denied', reasons.join(', '), policyHash.slice(0, 12)]))
    const last = decisions.at(-1)
    if (last === undefined || last.allowed) return
    const { set, hash } = await server.unary('mayfly.v1.Policies', 'Show', {}, { signal })
    if (hash !== last.policyHash) return output.line('\nanother policy is in force by now: mayfly policy show')
    for (const name of last.reasons) if (set?.policies[name] !== undefined) output.line(`\n// ${name}\n${set.policies[name].trim()}`)
  },
})
