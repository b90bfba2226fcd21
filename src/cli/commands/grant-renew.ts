import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import { grantLine, grantToJson } from '../grants.ts'
import { timeText } from '../when.ts'

export const command: Command = define({
  about: 'Inside a grant: another SVID now, within the budget of renewals, by a fresh decision. The agent does so by itself at half its life.',
  options: {
    grant: { type: 'string', value: 'ID', help: 'which grant; on its own socket there is one' },
    socket: { type: 'string', value: 'PATH', help: "the grant's socket; $SPIFFE_ENDPOINT_SOCKET, as run --do sets it" },
    ...dataFolder,
  },
  examples: ['mayfly grant renew'],
  async run({ options }, context) {
    const { output, signal, env } = context
    using agent = await connectWorkloadApi(options, context)
    const grant = await agent.unary('mayfly.v1.Grants', 'Renew', { grantId: options.grant ?? env['MAYFLY_GRANT'] ?? '' }, { signal })
    if (options.json) output.json(grantToJson(grant))
    else output.line(`${grantLine(grant)}, its SVID until ${timeText(grant.notAfterMs)}`)
  },
})
