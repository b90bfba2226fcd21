import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { grantFacts, grantToJson } from '../grants.ts'
import { timeText } from '../when.ts'

const stepsShown = 500

export const command: Command = define({
  arguments: '<grant>',
  positionals: [1, 1],
  about: 'One grant: what it is for, how it stands, what it used, who approved it, why it ended; with --steps what was done under it.',
  options: { steps: { type: 'boolean', help: 'and its steps, oldest first' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly grant show 01j9z3k5m7p9r1t3v5x7z9b1d3 --steps'],
  async run({ options, positionals: [grantId = ''] }, context) {
    const { output, signal, clock } = context
    using server = await connectServer(options, context)
    const grant = await server.unary('mayfly.v1.GrantAdmin', 'Show', { grantId }, { signal })
    const { steps, nextPageToken } = options.steps ? await server.unary('mayfly.v1.GrantAdmin', 'ListSteps', { grantId, pageSize: stepsShown }, { signal }) : { steps: [], nextPageToken: '' }
    if (options.json) return output.json({ ...grantToJson(grant), ...(options.steps ? { steps: steps.map(({ atMs, grantId: _grantId, ...step }) => ({ at: timeText(atMs), ...step })) } : {}) })
    output.facts(grantFacts(grant, clock.nowMs()))
    if (!options.steps) return
    output.line()
    output.table(['WHEN', 'ACTION', 'RESOURCE', 'DECISION', 'BY', 'DESCRIPTION'], steps.map(({ atMs, action, resource, allowed, reasons, description }) => [timeText(atMs), action, resource, allowed ? 'allowed' : 'denied', reasons.join(', '), description]))
    if (nextPageToken !== '') output.note(`the first ${stepsShown} are shown`)
  },
})
