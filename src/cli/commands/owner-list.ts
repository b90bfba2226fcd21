import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  about: 'Owners and what is theirs, and what has no owner: entries go on without one, grants are refused.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly owner list', 'mayfly owner list --json | jq .unowned'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { owners, unowned } = await server.unary('mayfly.v1.GrantAdmin', 'ListOwners', {}, { signal })
    if (options.json) return output.json({ owners, unowned })
    output.table(['OWNER', 'CONTACT', 'ENTRIES', 'ROLES', 'GRANTS', 'STATE'], owners.map(({ name, contact, entries, roles, grants, removed }) => [name, contact, String(entries), String(roles), String(grants), removed ? 'removed' : '']))
    if (unowned.length > 0) output.line(`\nwithout an owner (${unowned.length}): ${unowned.slice(0, 20).join(', ')}${unowned.length > 20 ? ', …' : ''}`)
  },
})
