import process from 'node:process'
import { MayflyError } from '../../core/errors.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { usage } from '../arguments.ts'
import { connectServer } from '../connection.ts'
import { typedId } from '../ids.ts'
import { readData } from '../read-data.ts'
import { parseRoles, roleToJson, roleToWire } from '../roles.ts'

export const command: Command = define({
  about: ['Replaces roles by what a file says. When the file names the version that it was made from, as role show --json prints it, a change', 'by somebody else in between is refused. Requests that wait under the old version lapse or are decided anew.'].join('\n'),
  options: { file: { type: 'string', value: 'FILE', help: 'a role, or several under `roles`; - for stdin' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly role show deploy --json > deploy.json && $EDITOR deploy.json && mayfly role update --file deploy.json'],
  async run({ options }, context) {
    const { output, signal, cwd } = context
    if (options.file === undefined) throw usage('role update', '--file is missing')
    using server = await connectServer(options, context)
    const { roles: existing } = await server.unary('mayfly.v1.GrantAdmin', 'ListRoles', {}, { signal })
    for (const role of parseRoles(await readData(options.file, cwd, process.stdin), options.file)) {
      const before = existing.find(({ name }) => name === role.name)
      if (before === undefined) throw new MayflyError('NOT_FOUND', `no role ${role.name}`, { hint: 'mayfly role create makes one' })
      const stated = 'version' in role && typeof role.version === 'number' ? role.version : before.version
      const spiffeId = await typedId(role.spiffeId, server, signal)
      const made = await server.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: roleToWire({ ...role, spiffeId }, before.requesters[0]?.parentId ?? ''), ifVersion: stated }, { signal })
      if (options.json) output.json(roleToJson(made))
      else output.line(`role ${made.name} is at version ${made.version}`)
    }
  },
})
