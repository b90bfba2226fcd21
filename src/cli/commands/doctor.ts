import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { MayflyError } from '../../core/errors.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { agentSocket, dataFolder, define, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectAgent, connectServer, connectWorkloadApi } from '../connection.ts'
import type { Context } from '../context.ts'
import { agentFindings } from '../doctor/agent.ts'
import { clockFinding } from '../doctor/clock.ts'
import { dataFindings, isDataFolder } from '../doctor/files.ts'
import { fail } from '../doctor/finding.ts'
import type { Finding } from '../doctor/finding.ts'
import { machineFindings } from '../doctor/machine.ts'
import { serverFindings } from '../doctor/server.ts'
import { secretFinding, upstreamFindings } from '../doctor/upstream.ts'
import { exitCodes } from '../exit-code.ts'
import { placesOf } from '../places.ts'
import type { PlaceOptions } from '../places.ts'
import { version } from '../version.ts'

export const command: Command = define({
  about: 'Looks at this machine, and at the server and the agent on it: kernel, clock, permissions, disk, reachability, versions, what ends soon. Each line that is not ok says what to do.\nExit code 1 when something fails, else 0.',
  options: {
    ...serverSocket,
    ...agentSocket,
    ...dataFolder,
  },
  examples: ['mayfly doctor', 'mayfly doctor --json', 'mayfly doctor --agent-socket /run/mayfly/admin.sock'],
  async run({ options }, context) {
    const { output } = context
    const findings = [...(await machineFindings()), ...(await serviceFindings(options, context))]
    const failed = findings.some(({ status }) => status === 'fail')
    if (options.json) output.json({ ok: !failed, findings })
    else for (const finding of findings) print(finding, context)
    return failed ? exitCodes.failed : exitCodes.ok
  },
})

function print({ check, status, detail, todo }: Finding, { output }: Context): void {
  output.line(`${status.padEnd(4)}  ${check.padEnd(21)}  ${detail}`)
  if (todo !== undefined) output.line(`${' '.repeat(29)}→ ${todo}`)
}

/** A machine has a server, an agent, or both; one that has neither has nothing to be well. */
async function serviceFindings(options: PlaceOptions, context: Context): Promise<readonly Finding[]> {
  const { serverSocket: server, agentSocket: agent } = placesOf(options, context)
  const { env } = context
  // one that was named is wanted, there or not
  const hasServer = existsSync(server) || options['server-socket'] !== undefined || env['MAYFLY_SERVER_SOCKET'] !== undefined
  const hasAgent = existsSync(agent) || options['agent-socket'] !== undefined || env['MAYFLY_AGENT_SOCKET'] !== undefined
  if (!hasServer && !hasAgent) return [fail('services', 'no server and no agent here', 'mayfly dev starts both; --server-socket and --agent-socket name those of another place')]
  return [...(hasServer ? await ofServer(options, context, dirname(server)) : []), ...(hasAgent ? await ofAgent(options, context, dirname(agent)) : [])]
}

async function ofServer(options: PlaceOptions, context: Context, folder: string): Promise<readonly Finding[]> {
  let data = isDataFolder('server', folder) ? folder : undefined // unless it says so itself
  const asked = await answered('server.serving', () => connectServer(options, context), async (channel) => {
    const status = await channel.unary('mayfly.v1.Status', 'Get', {}, { signal: context.signal, timeoutMs: 5_000 })
    if (status.dataDir !== '') data = status.dataDir
    return [...serverFindings(status, ownVersion(), context.clock.nowMs()), ...upstreamFindings(status.upstream, context.clock.nowMs()), ...secretFinding('server.pin', status.pinPath, 'whoever could read it can sign with the token, where he reaches it: set another'), ...(await answeredBy('server.clock', async () => [await clockFinding('server.clock', channel, context)]))]
  })
  return [...asked, ...(data === undefined ? [] : dataFindings('server', data))]
}

async function ofAgent(options: PlaceOptions, context: Context, folder: string): Promise<readonly Finding[]> {
  let data = isDataFolder('agent', folder) ? folder : undefined // unless it says so itself
  const asked = await answered('agent.serving', () => connectAgent(options, context), async (channel) => {
    const status = await channel.unary('mayfly.v1.AgentAdmin', 'Status', {}, { signal: context.signal, timeoutMs: 8_000 })
    if (status.dataDir !== '') data = status.dataDir
    const findings = await agentFindings(status, ownVersion(), context.clock)
    if (!status.connected) return findings
    const clock = await answered('agent.clock', () => connectWorkloadApi({ ...options, socket: status.workloadSocket }, context), async (workloads) => [await clockFinding('agent.clock', workloads, context)])
    return [...findings, ...clock]
  })
  return [...asked, ...(data === undefined ? [] : dataFindings('agent', data))]
}

/** What was found, or that nobody answered. */
async function answered(check: string, open: () => Promise<RpcChannel>, look: (channel: RpcChannel) => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  return await answeredBy(check, async () => {
    using channel = await open()
    return await look(channel)
  })
}

/** The same of one question: what else was found stays. */
async function answeredBy(check: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error
    const todo = error.code === 'DEADLINE_EXCEEDED' ? 'it is there and does not answer: its log, its load and its disk may say why; start it anew' : `docs/errors.md says more of ${error.code}`
    return [fail(check, error.message, error.hint ?? todo)]
  }
}

function ownVersion(): string {
  return version().replace(/^mayfly /, '')
}
