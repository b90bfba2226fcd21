import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import { grantOptions, grantRequestOf } from '../grant-options.ts'
import { holdGrant } from '../grant-task.ts'

export const command: Command = define({
  about: ['Asks for a grant for this very process and holds it until Ctrl-C: to see what policy says, who must approve, and what its life looks like.', 'For a task, use mayfly run --do.'].join('\n'),
  options: {
    as: { type: 'string', value: 'ID', help: 'the SPIFFE ID of the workload, or its path; may be left out when the role says it' },
    ...grantOptions,
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock. Inside a grant it asks for a child' },
    ...dataFolder,
  },
  examples: ['mayfly grant request --as spiffe://example.org/deploy-bot --do read --on db:orders --reason "looking around"'],
  async run({ options }, context) {
    using agent = await connectWorkloadApi(options, context)
    return await holdGrant(agent, grantRequestOf('grant request', options.as ?? '', options), options.json, context)
  },
})
