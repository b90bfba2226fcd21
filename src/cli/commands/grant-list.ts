import type { Grant__Output } from '../../../proto/generated/mayfly/v1/Grant.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { grantToJson, intentText, listGrants } from '../grants.ts'
import { whenText } from '../when.ts'

/** States in which something can still happen. */
const liveStates = ['requested', 'pending_approval', 'approved', 'active', 'suspended', 'ending']

export const command: Command = define({
  about: 'Lists grants that are not over, by filter; with --all those that are over too, the oldest request first. With --json one object a line, in no order.',
  options: {
    role: { type: 'string', value: 'NAME', help: 'only of this role' },
    owner: { type: 'string', value: 'NAME', help: 'only of this owner' },
    agent: { type: 'string', value: 'ID', help: 'only on this agent' },
    state: { type: 'string', multiple: true, value: 'STATE', help: 'only in this state, as active or pending_approval' },
    all: { type: 'boolean', help: 'also those that were denied, lapsed or have ended' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly grant list', 'mayfly grant list --state active --role deploy', 'mayfly grant list --all --json'],
  async run({ options }, context) {
    const { output, clock } = context
    using server = await connectServer(options, context)
    const found: Grant__Output[] = []
    const states = options.state.length > 0 ? options.state : options.all ? [] : liveStates
    for await (const grant of listGrants(server, { role: options.role, owner: options.owner, agentId: options.agent, states }, context.signal)) {
      if (options.json) output.json(grantToJson(grant))
      else found.push(grant)
    }
    if (options.json) return
    const oldestFirst = found.toSorted((left, right) => left.requestedAtMs - right.requestedAtMs)
    const rows = oldestFirst.map((grant) => [grant.id, grant.state.replaceAll('_', ' '), grant.role, intentText(grant), grant.owner, whenText(grant.endedAtMs || grant.deadlineMs || grant.lapsesAtMs, clock.nowMs()), grant.cause === '' ? grant.detail : grant.cause.replaceAll('_', ' ')])
    output.table(['GRANT', 'STATE', 'ROLE', 'INTENT', 'OWNER', 'ENDS', 'CAUSE'], rows)
  },
})
