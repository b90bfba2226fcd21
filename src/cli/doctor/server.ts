import type { ServerStatus__Output as ServerStatus } from '../../../proto/generated/mayfly/v1/ServerStatus.ts'
import { formatDuration } from '../../core/duration.ts'
import { listensAnywhere } from '../../core/join-line.ts'
import { whenText } from '../when.ts'
import { attestorsFinding } from './attestors.ts'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const hourMs = 3_600_000

/** What a server says of itself. */
export function serverFindings(status: ServerStatus, ownVersion: string, nowMs: number): readonly Finding[] {
  return [ok('server.serving', `${status.trustDomain} at ${status.agentAddress}, up ${formatDuration(nowMs - status.startedAtMs)}`), ...historyFinding(status), ...addressFinding(status.agentAddress), versionFinding('server', status.version, ownVersion), authorityFinding(status, nowMs), agentsFinding(status), attestorsFinding(status.nodeAttestors, nowMs)]
}

/** A database that was put back by `cp` or a snapshot: the server knows by what its agents have seen. */
function historyFinding({ rolledBack }: Pick<ServerStatus, 'rolledBack'>): readonly Finding[] {
  if (rolledBack === null) return []
  return [fail('server.history', `its database is older than what it signed (stream ${rolledBack.epoch}/${rolledBack.streamSeq}): it issues nothing, and its stream is silent`, 'stop it and run: mayfly server restore --in-place (docs/operations.md)')]
}

/** Where the server listens on every address of its machine and says no name, agents of other machines are led to themselves. */
export function addressFinding(address: string): readonly Finding[] {
  return listensAnywhere(address) ? [warn('server.address', `join lines carry ${address}, which leads nowhere from another machine`, 'set advertise in the configuration to a name and port by which agents reach this server, then mayfly server reload')] : []
}

export function authorityFinding({ authorities }: Pick<ServerStatus, 'authorities'>, nowMs: number): Finding {
  const check = 'server.authority'
  const active = authorities.find(({ state }) => state === 'active')
  if (active === undefined) return fail(check, 'no authority signs', 'the log says why the rotation failed: authority.rotation_failed; mayfly authority prepare, then activate')
  const text = `${active.id.slice(0, 16)} signs, ends ${whenText(active.notAfterMs, nowMs)}`
  const tainted = authorities.filter(({ state }) => state === 'tainted')
  if (active.notAfterMs - nowMs < hourMs) return fail(check, text, 'the next one should sign long since: mayfly authority show, mayfly authority activate')
  if (active.nextTransitionAtMs > 0 && nowMs - active.nextTransitionAtMs > hourMs) return warn(check, `${text}; its successor is overdue`, 'agents that were away too long hold it up: mayfly authority show, mayfly agent list')
  if (tainted.length > 0) return warn(check, `${text}; tainted: ${tainted.map(({ id }) => id.slice(0, 16)).join(', ')}`, 'mayfly authority show says what still hangs on it; then mayfly authority revoke')
  return ok(check, text)
}

function agentsFinding({ agents, agentsConnected }: ServerStatus): Finding {
  const text = `${agentsConnected} of ${agents} agents connected, `
  return agentsConnected === 0 && agents > 0 ? warn('server.agents', `${text}none at all`, 'mayfly agent list; can agents reach the address that join lines carry?') : ok('server.agents', text.slice(0, -2))
}

/** One minor version either way works together; the server goes first. */
export function versionFinding(who: 'server' | 'agent', theirs: string, own: string): Finding {
  const check = `${who}.version`
  if (theirs === own) return ok(check, theirs)
  const [major = 0, minor = 0] = theirs.split('.').map((part) => Number.parseInt(part, 10))
  const [ownMajor = 0, ownMinor = 0] = own.split('.').map((part) => Number.parseInt(part, 10))
  if (major === ownMajor && Math.abs(minor - ownMinor) <= 1) return ok(check, `${theirs}, this CLI is ${own}`)
  return warn(check, `${theirs}, this CLI is ${own}`, 'versions work together that are one apart: bring the server up first, then agents and CLI')
}
