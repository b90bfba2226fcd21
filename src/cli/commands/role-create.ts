import process from 'node:process'
import { parentOf } from '../agents.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { typedId } from '../ids.ts'
import { readData } from '../read-data.ts'
import { parseRoles, roleToJson, roleToWire } from '../roles.ts'
import { roleOfOptions, roleOptions } from '../role-options.ts'

export const command: Command = define({
  arguments: '[name]',
  positionals: [0, 1],
  about: ['Makes a grant role: what grants may be asked for, by whom and on which terms. Simple ones by options, all others from a file', '(docs/grants.md has its members).'].join('\n'),
  options: { ...roleOptions, ...serverSocket, ...dataFolder },
  examples: [
    'mayfly role create deploy --id /deploy-bot --owner platform -s unix:uid:1000 --action write --resource db:orders --environment staging',
    'mayfly role create --file roles.yaml',
  ],
  async run({ options, positionals: [name] }, context) {
    const { output, signal, cwd } = context
    if ((name === undefined) === (options.file === undefined)) throw usage('role create', 'give a name with options, or --file')
    using server = await connectServer(options, context)
    const roles = name === undefined ? parseRoles(await readData(options.file ?? '', cwd, process.stdin), options.file ?? '') : [roleOfOptions('role create', name, options)]
    const wantsAgent = roles.some(({ requesters }) => requesters.some(({ parentId }) => parentId === undefined))
    const parent = options.parent !== undefined || wantsAgent ? await parentOf(options.parent, server, signal) : ''
    for (const role of roles) {
      const spiffeId = await typedId(role.spiffeId, server, signal)
      const made = await server.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: roleToWire({ ...role, spiffeId }, parent), ifVersion: 0 }, { signal })
      if (options.json) output.json(roleToJson(made))
      else output.line(`role ${made.name}: grants as ${made.spiffeId}/task/…, owner ${made.owner}`)
    }
  },
})
