import type { AgentStatus__Output as AgentStatus } from '../../../proto/generated/mayfly/v1/AgentStatus.ts'
import type { ServerStatus__Output as ServerStatus } from '../../../proto/generated/mayfly/v1/ServerStatus.ts'
import { formatDuration } from '../../core/duration.ts'
import { MayflyError } from '../../core/errors.ts'
import { define, agentSocket, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectAgent, connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-code.ts'
import type { PlaceOptions } from '../places.ts'
import { count } from '../verifiers.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  about: 'Server and agent on one screen. Exit code 5 when neither answers, 0 when one does.',
  options: { ...serverSocket, ...agentSocket, ...dataFolder },
  examples: ['mayfly status', 'mayfly status --json'],
  async run({ options }, context) {
    const { output, clock } = context
    const [server, agent] = await Promise.all([asked(() => serverStatus(options, context)), asked(() => agentStatus(options, context))])
    if (server instanceof MayflyError && agent instanceof MayflyError) throw server
    if (options.json) {
      output.json({ server: server instanceof MayflyError ? null : server, agent: agent instanceof MayflyError ? null : agent })
      return exitCodes.ok
    }
    const nowMs = clock.nowMs()
    if (server instanceof MayflyError) output.line(`server      ${server.message}`)
    else printServer(context, server, nowMs)
    output.line()
    if (agent instanceof MayflyError) output.line(`agent       ${agent.message}`)
    else printAgent(context, agent, nowMs)
    return exitCodes.ok
  },
})

export async function serverStatus(options: PlaceOptions, context: Context): Promise<ServerStatus> {
  using server = await connectServer(options, context)
  return await server.unary('mayfly.v1.Status', 'Get', {}, { signal: context.signal, timeoutMs: 5_000 })
}

export async function agentStatus(options: PlaceOptions, context: Context): Promise<AgentStatus> {
  using agent = await connectAgent(options, context)
  return await agent.unary('mayfly.v1.AgentAdmin', 'Status', {}, { signal: context.signal, timeoutMs: 5_000 })
}

async function asked<T>(call: () => Promise<T>): Promise<T | MayflyError> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof MayflyError && error.status === 'UNAVAILABLE') return error
    throw error
  }
}

function printServer({ output }: Context, status: ServerStatus, nowMs: number): void {
  const indented = (lines: readonly string[], name: string): readonly [string, string][] => lines.map((line, at) => [at === 0 ? name : '', line])
  output.facts([
    ['ROLLED BACK', status.rolledBack === null ? '' : `it issues nothing: its database is older than what it signed (stream ${status.rolledBack.epoch}/${status.rolledBack.streamSeq}, shown ${whenText(status.rolledBack.atMs, nowMs)})`],
    ['', status.rolledBack === null ? '' : 'stop it and run: mayfly server restore --in-place'],
    ['server', `${status.trustDomain} at ${status.agentAddress}, up ${formatDuration(nowMs - status.startedAtMs)}, ${status.version}`],
    ...indented(
      status.authorities.map((authority) => `${authority.state} ${authority.id.slice(0, 16)}, ends ${whenText(authority.notAfterMs, nowMs)}${authority.nextTransitionAtMs > 0 ? `, next step ${whenText(authority.nextTransitionAtMs, nowMs)}` : ''}`),
      'authority',
    ),
    ['agents', `${status.agentsConnected} connected of ${status.agents}`],
    ['entries', String(status.entries)],
    ['live SVIDs', `${status.liveCredentials}, those of server and agents too`],
    ['grants', grantsText(status.grants)],
    ['revocations', `stream ${status.epoch}/${status.streamSeq}`],
    ['journal', `${status.journalSeq} records, ${status.commits} commits`],
    ['work', `${status.signatures} signed, ${status.csrChecks} requests checked, ${megabytes(status.rssBytes)} resident`],
  ])
}

/** Empty while there are none. */
function grantsText(counts: ServerStatus['grants']): string {
  const { active = 0, suspended = 0, pending = 0, approved = 0, ending = 0, stepsWaiting = 0 } = counts ?? {}
  const parts: readonly [number, string][] = [[active, 'active'], [suspended, 'suspended'], [approved, 'approved'], [pending, 'waiting for people'], [ending, 'ending'], [stepsWaiting, 'steps waiting for people']]
  return parts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : [])).join(', ')
}

function printAgent({ output }: Context, status: AgentStatus, nowMs: number): void {
  output.facts([
    ['agent', status.agentId],
    ['connection', status.connected ? `to ${status.serverAddress}, since ${whenText(status.connectedSinceMs, nowMs)}` : `none to ${status.serverAddress}: serving what is still valid`],
    ['own SVID', `ends ${whenText(status.svidNotAfterMs, nowMs)}`],
    ['entries', String(status.entries)],
    ['binding', status.bindingTier],
    ['revocations', `stream ${status.epoch}/${status.streamSeq}, ${status.revocationAgeMs < 0 ? 'not heard of yet' : `heard ${formatDuration(status.revocationAgeMs)} ago`}, ${count(status.verifiers, 'verifier')}`],
    ['workloads', status.workloadSocket],
    ['work', `${megabytes(status.rssBytes)} resident`],
  ])
  printGrants(output, status.grants, nowMs)
  if (status.svids.length === 0) return
  output.line()
  const shown = status.svids.slice(0, 12)
  output.table(['ID', 'SERIAL', 'ENDS', 'ROTATES', 'PIDS'], shown.map((svid) => [svid.spiffeId, svid.serial, whenText(svid.notAfterMs, nowMs), whenText(svid.rotatesAtMs, nowMs), svid.holders.join(' ')]))
  if (status.svids.length > shown.length) output.line(`and ${status.svids.length - shown.length} more (--json)`)
}

function printGrants(output: Context['output'], grants: AgentStatus['grants'], nowMs: number): void {
  if (grants.length === 0) return
  output.line()
  const shown = grants.slice(0, 12)
  output.table(['GRANT', 'ROLE', 'STATE', 'TIER', 'ENDS', 'PID'], shown.map((grant) => [grant.id, grant.role, grant.state, grant.tier, grant.deadlineMs === 0 ? '' : whenText(grant.deadlineMs, nowMs), grant.pid === 0 ? '' : String(grant.pid)]))
  if (grants.length > shown.length) output.line(`and ${grants.length - shown.length} more (--json)`)
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
