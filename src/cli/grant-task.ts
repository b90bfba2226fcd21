import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantProgress__Output } from '../../proto/generated/mayfly/v1/GrantProgress.ts'
import type { RequestGrantRequest } from '../../proto/generated/mayfly/v1/RequestGrantRequest.ts'
import { MayflyError } from '../core/errors.ts'
import { hintForDenial } from '../core/grant/denial.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-code.ts'
import { grantLine, grantToJson, intentText } from './grants.ts'
import { HeldCommand } from './held-command.ts'
import type { CommandEnd } from './held-command.ts'
import { whenText } from './when.ts'

export interface GrantTask {
  readonly request: RequestGrantRequest
  readonly argv: readonly string[]
  readonly json: boolean
}

/** After the grant has ended the command has this long to stop by itself. */
const graceMs = 10_000
/** As timeout(1) has it: the grant ended before the command did. */
const endedEarly = 124

/**
 * Asks for a grant, waits for its approval, runs the command bound to it, and ends it however the command ends. Resolves with the exit code: the command's, 124 when the
 * grant ended first, 4 when it was denied or lapsed. What happens is told on stderr, a line each.
 */
export async function runTask(agent: RpcChannel, { request, argv, json }: GrantTask, context: Context): Promise<number> {
  const tell = teller(json, context)
  const over = new AbortController()
  const asked = agent.serverStream('mayfly.v1.Grants', 'Request', request, { signal: AbortSignal.any([context.signal, over.signal]) })
  try {
    const grant = await approvedOf(asked, tell, json, context)
    if (grant === undefined) return exitCodes.denied
    const command = HeldCommand.start(argv)
    try {
      return await bindAndRun(agent, grant, command, { tell, json }, over.signal, context)
    } finally {
      await command.stop()
    }
  } finally {
    over.abort() // the grant does not outlive the call that vouched for it
  }
}

/** The same for this very process: held until a signal comes, which completes it. */
export async function holdGrant(agent: RpcChannel, request: RequestGrantRequest, json: boolean, context: Context): Promise<number> {
  const tell = teller(json, context)
  const over = new AbortController()
  const asked = agent.serverStream('mayfly.v1.Grants', 'Request', request, { signal: AbortSignal.any([context.signal, over.signal]) })
  try {
    const grant = await approvedOf(asked, tell, json, context)
    if (grant === undefined) return exitCodes.denied
    const bound = agent.serverStream('mayfly.v1.Grants', 'Bind', { grantId: grant.id }, { signal: over.signal })
    const socket = await activeSocket(bound, tell)
    context.output.note(`mayfly: its Workload API is at unix://${socket}, for this process alone; Ctrl-C ends it`)
    const first = await Promise.race([followToEnd(bound, tell), aborted(context.signal)])
    if (first !== undefined) {
      if (!first.isTold) sayAgentGone(grant, json, context)
      return endedEarly
    }
    const last = await agent.unary('mayfly.v1.Grants', 'End', { grantId: grant.id, cause: 'completed' }, { signal: over.signal })
    tell({ grant: last, socket: '', approvers: [], howToApprove: '' })
    return exitCodes.ok
  } finally {
    over.abort()
  }
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** The grant once it is approved; `undefined` when it came to nothing. The call goes on: its end would withdraw the request. */
async function approvedOf(asked: AsyncGenerator<GrantProgress__Output>, tell: Teller, json: boolean, { output, signal }: Context): Promise<Grant__Output | undefined> {
  let id = ''
  try {
    for (;;) {
      const { value, done } = await asked.next()
      if (done === true || value === undefined || value.grant === null) return undefined
      tell(value)
      id = value.grant.id
      if (value.grant.state === 'approved') return value.grant
      if (value.grant.state === 'denied' || value.grant.state === 'lapsed') return undefined
    }
  } catch (error) {
    if (signal.aborted && id !== '') output.note(json ? JSON.stringify({ event: 'grant.withdrawn', id }) : `mayfly: grant ${id} is withdrawn: nobody waits for it any more`)
    throw error
  }
}

async function bindAndRun(agent: RpcChannel, grant: Grant__Output, command: HeldCommand, { tell, json }: { readonly tell: Teller; readonly json: boolean }, signal: AbortSignal, context: Context): Promise<number> {
  const bound = agent.serverStream('mayfly.v1.Grants', 'Bind', { grantId: grant.id, pid: command.pid }, { signal })
  const socket = await activeSocket(bound, tell)
  command.go(socket, grant.id)
  const ended = followToEnd(bound, tell)
  const first = await Promise.race([command.ended, ended])
  if (first.kind === 'grant') {
    if (!first.isTold) sayAgentGone(grant, json, context)
    await command.stop(graceMs, context.clock)
    return endedEarly
  }
  const { cause, outcome, detail } = wordOf(first)
  try {
    const last = await agent.unary('mayfly.v1.Grants', 'End', { grantId: grant.id, cause, outcome, detail }, { signal: AbortSignal.any([signal, context.signal]) })
    tell({ grant: last, socket: '', approvers: [], howToApprove: '' })
  } catch (error) {
    context.output.note(`mayfly: the command ended; the agent ends the grant by itself: ${error instanceof Error ? error.message : String(error)}`)
  }
  return first.exitCode
}

/** The path of the grant's own socket, once it is active. @throws {MayflyError} what the agent or the server refuses with */
async function activeSocket(bound: AsyncGenerator<GrantProgress__Output>, tell: Teller): Promise<string> {
  for (;;) {
    const { value, done } = await bound.next()
    if (done === true || value === undefined) throw new MayflyError('GRANT_ENDED', 'the grant ended before it was active')
    tell(value)
    if (value.socket !== '') return value.socket
  }
}

/** Resolves when the grant is over, which is told then, or nobody says any more how it stands. */
async function followToEnd(bound: AsyncGenerator<GrantProgress__Output>, tell: Teller): Promise<{ readonly kind: 'grant'; readonly isTold: boolean }> {
  try {
    for await (const progress of bound) {
      tell(progress)
      if (progress.grant !== null && overStates.has(progress.grant.state)) return { kind: 'grant', isTold: true }
    }
  } catch {
    // the agent is gone, and with it the grant
  }
  return { kind: 'grant', isTold: false }
}

/** Its key was in the agent's memory alone. */
function sayAgentGone({ id }: Grant__Output, json: boolean, { output }: Context): void {
  output.note(json ? JSON.stringify({ event: 'grant.lost', id }) : `mayfly: the agent is gone, and grant ${id} with it`)
}

const overStates = new Set(['ending', 'ended'])

/** What is said of the end: exit 0 is completed, anything else failed. */
function wordOf({ exitCode, signal }: CommandEnd): { cause: 'completed' | 'failed'; outcome: string; detail: string } {
  const outcome = signal === undefined ? `exit ${exitCode}` : signal
  return exitCode === 0 ? { cause: 'completed', outcome, detail: '' } : { cause: 'failed', outcome, detail: signal === undefined ? `it exited with ${exitCode}` : `it was ended by ${signal}` }
}

type Teller = (progress: GrantProgress__Output) => void

/** One line on stderr for each state that is new. */
function teller(json: boolean, { output, clock }: Context): Teller {
  let told = ''
  return ({ grant, approvers, howToApprove }) => {
    if (grant === null || grant.state === told || (told === 'ending' && grant.state === 'ended')) return
    told = grant.state
    if (json) return output.note(JSON.stringify({ event: `grant.${grant.state}`, ...grantToJson(grant), ...(howToApprove === '' ? {} : { approvers, howToApprove }) }))
    output.note(`mayfly: ${wordsOf(grant, approvers, howToApprove, clock.nowMs())}`)
    if (grant.state === 'denied') output.note(`hint: ${hintForDenial(grant.id, grant.decision?.reasons ?? [])}`)
  }
}

function wordsOf(grant: Grant__Output, approvers: readonly string[], howToApprove: string, nowMs: number): string {
  switch (grant.state) {
    case 'pending_approval':
      return `grant ${grant.id} waits for ${grant.approvalsNeeded} approval${grant.approvalsNeeded === 1 ? '' : 's'}${approvers.length === 0 ? ', which nobody who is registered may give,' : ` by ${approvers.join(' or ')}`} and lapses ${whenText(grant.lapsesAtMs, nowMs)}: ${howToApprove}`
    case 'approved':
      return `grant ${grant.id} is approved: ${intentText(grant)}`
    case 'active':
      return `grant ${grant.id} is active as ${grant.spiffeId}, bound to the ${grant.binding} (${grant.tier}), ends ${whenText(grant.deadlineMs, nowMs)}`
    case 'denied':
      return `${grantLine({ ...grant, detail: '' })}: ${grant.detail === '' ? (grant.decision?.reasons.join(', ') ?? '') : grant.detail}`
    case 'ending':
    case 'ended':
      return `grant ${grant.id} has ended: ${grant.cause.replaceAll('_', ' ')}${grant.detail === '' ? '' : ` (${grant.detail})`}`
    default:
      return grantLine(grant)
  }
}
