import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import { formatDuration } from '../core/duration.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import { timeText, whenText } from './when.ts'

/** A grant as commands print it for programs: times as dates, what is not there left out. */
export function grantToJson(grant: Grant__Output): Record<string, unknown> {
  const { requestedAtMs, lapsesAtMs, activatedAtMs, deadlineMs, endedAtMs, notAfterMs, approvals, decision, ...rest } = grant
  const times = { requestedAt: requestedAtMs, lapsesAt: lapsesAtMs, activatedAt: activatedAtMs, deadline: deadlineMs, endedAt: endedAtMs, notAfter: notAfterMs }
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== '' && value !== null)),
    ...Object.fromEntries(Object.entries(times).filter(([, atMs]) => atMs !== 0).map(([name, atMs]) => [name, timeText(atMs)])),
    approvals: approvals.map(({ approver, atMs, expiresAtMs, withdrawn, signature }) => ({ approver, at: timeText(atMs), expiresAt: timeText(expiresAtMs), withdrawn, signature })),
    ...(decision === null ? {} : { decision: { at: decision.at, allowed: decision.allowed, reasons: decision.reasons, policyHash: decision.policyHash, time: timeText(decision.atMs) } }),
  }
}

/** One line: ID, state, and why it ended. */
export function grantLine({ id, state, cause, detail }: Pick<Grant__Output, 'id' | 'state' | 'cause' | 'detail'>): string {
  return `grant ${id} is ${state.replaceAll('_', ' ')}${cause === '' ? '' : ` (${cause.replaceAll('_', ' ')})`}${detail === '' ? '' : `: ${detail}`}`
}

/** What a grant is for. */
export function intentText({ intent }: Pick<Grant__Output, 'intent'>): string {
  return intent === null ? '' : `${intent.actions.join(', ')} on ${intent.resources.join(', ')}`
}

/** All that people want to know of one grant. */
export function grantFacts(grant: Grant__Output, nowMs: number): readonly (readonly [string, string | undefined])[] {
  const { intent, budget, used, decision } = grant
  const workspace = [intent?.workspace?.system, intent?.workspace?.environment, intent?.workspace?.tenant].filter((part) => part !== undefined && part !== '').join(' / ')
  return [
    ['grant', grant.id],
    ['id', grant.spiffeId],
    ['state', `${grant.state.replaceAll('_', ' ')}${grant.cause === '' ? '' : `: ${grant.cause.replaceAll('_', ' ')}`}${grant.detail === '' ? '' : ` (${grant.detail})`}`],
    ['role', grant.role],
    ['owner', grant.owner],
    ['requester', grant.requester],
    ['intent', intentText(grant)],
    ['workspace', workspace],
    ['reason', intent?.reason === '' ? '' : JSON.stringify(intent?.reason)],
    ['ticket', intent?.ticket],
    ['expected', intent?.expectedOutcome === '' ? '' : JSON.stringify(intent?.expectedOutcome)],
    ['outcome', grant.outcome === '' ? '' : `${JSON.stringify(grant.outcome)}${intent?.expectedOutcome === '' ? '' : grant.outcomeAsExpected ? ', as expected' : ', not what was expected'}`],
    ['bound to', grant.binding === '' ? '' : `${grant.binding}, tier ${grant.tier}`],
    ['requested', timeText(grant.requestedAtMs)],
    ['activated', timeText(grant.activatedAtMs)],
    ['deadline', grant.deadlineMs === 0 ? '' : `${timeText(grant.deadlineMs)} (${whenText(grant.deadlineMs, nowMs)})`],
    ['ended', timeText(grant.endedAtMs)],
    ['serial', grant.serial],
    ['budget', budget === null ? '' : `${formatDuration(budget.seconds * 1_000)}, renewals ${used?.renewals ?? 0} of ${budget.renewals}, steps ${used?.steps ?? 0} of ${budget.steps} (leased in blocks), children ${used?.children ?? 0} of ${budget.children}`],
    ['approvals', grant.approvalsNeeded === 0 ? '' : `${grant.approvals.filter(({ withdrawn }) => !withdrawn).length} of ${grant.approvalsNeeded}: ${grant.approvals.map(({ approver, withdrawn }) => `${approver}${withdrawn ? ' (withdrawn)' : ''}`).join(', ')}`],
    ['flags', grant.flags.join(', ')],
    ['decided', decision === null ? '' : `${decision.at} ${decision.allowed ? 'allowed' : 'denied'} by ${decision.reasons.join(', ')}`],
    ['parent', grant.parentId],
  ]
}

export interface GrantFilterText {
  readonly role?: string | undefined
  readonly owner?: string | undefined
  readonly agentId?: string | undefined
  readonly rootId?: string | undefined
  /** Empty: all. */
  readonly states: readonly string[]
}

/** Every grant that matches, page by page. */
export async function* listGrants(server: RpcChannel, { role, owner, agentId, rootId, states }: GrantFilterText, signal: AbortSignal): AsyncGenerator<Grant__Output> {
  const named = { role, owner, agentId, rootId }
  const filter = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined).map(([name, value]) => [name, { value: value ?? '' }]))
  for (let pageToken = ''; ; ) {
    const page = await server.unary('mayfly.v1.GrantAdmin', 'List', { ...filter, states: [...states], pageSize: 500, pageToken }, { signal })
    yield* page.grants
    pageToken = page.nextPageToken
    if (pageToken === '') return
  }
}
