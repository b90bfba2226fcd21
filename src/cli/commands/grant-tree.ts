import type { Grant__Output } from '../../../proto/generated/mayfly/v1/Grant.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { grantToJson, intentText, listGrants } from '../grants.ts'

export const command: Command = define({
  arguments: '<grant>',
  positionals: [1, 1],
  about: 'The whole tree that a grant belongs to: who delegated what to whom.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly grant tree 01j9z3k5m7p9r1t3v5x7z9b1d3'],
  async run({ options, positionals: [grantId = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { rootId } = await server.unary('mayfly.v1.GrantAdmin', 'Show', { grantId }, { signal })
    const grants: Grant__Output[] = []
    for await (const grant of listGrants(server, { rootId, states: [] }, signal)) grants.push(grant)
    const root = grants.find(({ id }) => id === rootId)
    if (root === undefined) return
    if (options.json) output.json(treeOf(root, grants))
    else for (const line of linesOf(root, grants, '')) output.line(line)
  },
})

function childrenOf({ id }: Grant__Output, grants: readonly Grant__Output[]): Grant__Output[] {
  return grants.filter(({ parentId }) => parentId === id).toSorted((left, right) => left.requestedAtMs - right.requestedAtMs)
}

function treeOf(grant: Grant__Output, grants: readonly Grant__Output[]): Record<string, unknown> {
  return { ...grantToJson(grant), children: childrenOf(grant, grants).map((child) => treeOf(child, grants)) }
}

function linesOf(grant: Grant__Output, grants: readonly Grant__Output[], indent: string): string[] {
  const { id, state, cause } = grant
  return [`${indent}${id}  ${state.replaceAll('_', ' ')}${cause === '' ? '' : ` (${cause.replaceAll('_', ' ')})`}  ${intentText(grant)}`, ...childrenOf(grant, grants).flatMap((child) => linesOf(child, grants, `${indent}  `))]
}
