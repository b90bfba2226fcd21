import { agentToJson } from '../agents.ts'
import type { AgentJson } from '../agents.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  about: 'Lists agents that have joined. With --json one object a line.',
  options: {
    banned: { type: 'boolean', help: 'only banned ones' },
    'attestation-type': { type: 'string', value: 'TYPE', help: 'only those of an attestor, such as join_token' },
    'page-size': { type: 'string', value: 'N', help: 'one page of this many, and the token of the next' },
    'page-token': { type: 'string', value: 'TOKEN', help: 'the page that a token names' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly agent list', 'mayfly agent list --banned --json'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    const onePage = options['page-size'] !== undefined || options['page-token'] !== undefined
    const pageSize = Number(options['page-size'] ?? 500)
    if (!Number.isInteger(pageSize) || pageSize < 1) throw usage('agent list', '--page-size is not a number of agents')
    using server = await connectServer(options, context)
    const filter = { ...(options.banned ? { byBanned: { value: true } } : {}), ...(options['attestation-type'] === undefined ? {} : { byAttestationType: options['attestation-type'] }) }
    const found: AgentJson[] = []
    let pageToken = options['page-token'] ?? ''
    do {
      const page = await server.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { filter, pageSize, pageToken }, { signal })
      pageToken = page.nextPageToken
      const agents = page.agents.map((agent) => agentToJson(agent))
      if (options.json && !onePage) for (const agent of agents) output.json(agent)
      else found.push(...agents)
    } while (pageToken !== '' && !onePage)
    if (options.json) {
      if (onePage) output.json({ agents: found, nextPageToken: pageToken })
      return
    }
    output.table(['AGENT', 'SVID ENDS', 'VERSION', 'STATE'], found.map((agent) => [agent.id, whenText(Date.parse(agent.expiresAt), clock.nowMs()), agent.version, agent.banned ? 'banned' : 'joined']))
    if (pageToken !== '') output.note(`more: --page-token ${pageToken}`)
  },
})
