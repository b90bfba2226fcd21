import { connect } from 'node:net'
import type { AgentStatus__Output as AgentStatus } from '../../../proto/generated/mayfly/v1/AgentStatus.ts'
import { formatDuration } from '../../core/duration.ts'
import { parseAddress } from '../../config/fields.ts'
import type { Clock } from '../../ports/clock.ts'
import { whenText } from '../when.ts'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'
import { socketFinding } from './files.ts'
import { versionFinding } from './server.ts'

const reachMs = 3_000
const soonMs = 600_000
/** The limit of the class `standard`. */
const standardMs = 15_000

/** What an agent says of itself, and whether its server can be reached from here. */
export async function agentFindings(status: AgentStatus, ownVersion: string, clock: Clock): Promise<readonly Finding[]> {
  const nowMs = clock.nowMs()
  return [
    ok('agent.serving', `${status.agentId}, binding tier ${status.bindingTier}`),
    versionFinding('agent', status.version, ownVersion),
    connectionFinding(status, nowMs),
    ...(status.connected ? [] : [await reachFinding(status.serverAddress, clock)]),
    ownSvidFinding(status, nowMs),
    workloadsFinding(status, nowMs),
    revocationsFinding(status),
    socketFinding('agent.workload_socket', status.workloadSocket, 0o666),
  ]
}

function connectionFinding({ connected, connectedSinceMs, serverAddress }: AgentStatus, nowMs: number): Finding {
  return connected ? ok('agent.connection', `to ${serverAddress} for ${formatDuration(nowMs - connectedSinceMs)}`) : fail('agent.connection', `none to ${serverAddress}`, "the agent's log says why (server.disconnected); what it holds is served until it ends")
}

/** Only asked while the agent has no connection: a way that is open says that the trouble is higher up. */
export async function reachFinding(address: string, clock: Clock): Promise<Finding> {
  const check = 'agent.reach'
  const place = parseAddress(address)
  if (place === undefined) return fail(check, `${address} is no address`, 'set server: host:port in the configuration of the agent')
  const over = new AbortController()
  const socket = connect(place)
  try {
    const outcome = await Promise.race([
      new Promise<string>((resolve) => socket.once('connect', () => resolve('')).once('error', (error) => resolve(error.message))),
      clock.sleep(reachMs, over.signal).then(() => `no answer within ${reachMs} ms`, () => ''),
    ])
    return outcome === '' ? ok(check, `${address} takes connections: the trouble is not the network`) : fail(check, `${address}: ${outcome}`, 'is the server up, the address right, the port open in every firewall between?')
  } finally {
    over.abort()
    socket.destroy()
  }
}

function ownSvidFinding({ svidNotAfterMs }: AgentStatus, nowMs: number): Finding {
  const check = 'agent.svid'
  const text = `ends ${whenText(svidNotAfterMs, nowMs)}`
  if (svidNotAfterMs <= nowMs) return fail(check, `${text}: it cannot come back by itself`, 'mayfly token create, and start the agent with --join; one with a nodeAttestor only has to be started again')
  return svidNotAfterMs - nowMs < soonMs ? warn(check, text, 'it is renewed at half its life: look at the log for agent.renew_failed') : ok(check, text)
}

function workloadsFinding({ svids, entries }: AgentStatus, nowMs: number): Finding {
  const late = svids.filter(({ rotatesAtMs, notAfterMs }) => nowMs - rotatesAtMs > 60_000 || notAfterMs <= nowMs)
  const text = `${svids.length} SVIDs held, of ${entries} entries`
  return late.length === 0 ? ok('agent.svids', text) : warn('agent.svids', `${text}; ${late.length} overdue for rotation`, 'the log says why (svid.sign_failed); mayfly why <id>')
}

function revocationsFinding({ revocationAgeMs }: AgentStatus): Finding {
  const check = 'agent.revocations'
  if (revocationAgeMs < 0) return fail(check, 'none known yet: strict and standard verifiers refuse everybody', 'the agent has to connect to its server once')
  const text = `known as of ${formatDuration(revocationAgeMs)} ago`
  return revocationAgeMs > standardMs ? fail(check, `${text}: strict and standard verifiers refuse`, "see agent.connection; at the server, the log's stream.* events") : ok(check, text)
}
