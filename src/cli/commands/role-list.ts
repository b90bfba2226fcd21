import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { roleToJson } from '../roles.ts'

export const command: Command = define({
  about: 'Grant roles.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly role list', 'mayfly role list --json'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { roles } = await server.unary('mayfly.v1.GrantAdmin', 'ListRoles', {}, { signal })
    if (options.json) for (const role of roles) output.json(roleToJson(role))
    else output.table(['ROLE', 'ID', 'OWNER', 'MAY', 'APPROVALS'], roles.map(({ name, spiffeId, owner, intents, approvals }) => [name, spiffeId, owner, intents.map(({ actions, resources }) => `${actions.join(',')} on ${resources.join(',')}`).join('; '), String(approvals)]))
  },
})
