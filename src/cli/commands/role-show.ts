import { MayflyError } from '../../core/errors.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { roleToJson } from '../roles.ts'

export const command: Command = define({
  arguments: '<name>',
  positionals: [1, 1],
  about: 'One grant role: who may ask, for what, and on which terms. --json prints it as role update takes it.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly role show deploy', 'mayfly role show deploy --json'],
  async run({ options, positionals: [name = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { roles } = await server.unary('mayfly.v1.GrantAdmin', 'ListRoles', {}, { signal })
    const found = roles.find((role) => role.name === name)
    if (found === undefined) throw new MayflyError('NOT_FOUND', `no role ${JSON.stringify(name.slice(0, 64))}`, { hint: 'mayfly role list' })
    const role = roleToJson(found)
    if (options.json) return output.json(role)
    output.facts([
      ['role', role.name],
      ['id', `${role.spiffeId}/task/…`],
      ['owner', role.owner],
      ...role.requesters.map(({ parentId, selectors }) => ['asked by', `${selectors.join(' and ')} on ${parentId ?? ''}`] as const),
      ...role.intents.map(({ actions, resources, dataClass, workspace }) => ['may', `${actions.join(', ')} on ${resources.join(', ')} (${dataClass ?? ''}${Object.values(workspace ?? {}).some((part) => part !== '') ? `; ${Object.values(workspace ?? {}).filter((part) => part !== '').join(' / ')}` : ''})`] as const),
      ['budget', `${role.budget?.time ?? ''}, ${role.budget?.renewals ?? 0} renewals, ${role.budget?.steps ?? 0} steps, ${role.budget?.children ?? 0} children, ${role.budget?.depth ?? 0} deep`],
      ['credential', role.ttl],
      ['approvals', `${role.approvals ?? 0}${(role.approvers ?? []).length === 0 ? '' : ` of ${(role.approvers ?? []).join(', ')}`}`],
      ['binding', `${role.minTier ?? ''} or stronger`],
      ['progress', role.progress === '0s' ? '' : `within ${role.progress ?? ''} before a renewal`],
      ['confirm', (role.confirmActions ?? []).join(', ')],
      ['approve', (role.approveActions ?? []).join(', ')],
      ['probes', (role.probes ?? []).join(', ')],
      ['second use', role.endOnSecondUse === true ? 'ends the grant' : 'flags the grant'],
      ['from inside', role.fromInside === true ? 'another grant too, beside it' : ''],
      ['version', String(role.version)],
    ])
  },
})
