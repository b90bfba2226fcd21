import type { ActivateGrantRequest__Output } from '../../proto/generated/mayfly/v1/ActivateGrantRequest.ts'
import type { AttestedRequest__Output } from '../../proto/generated/mayfly/v1/AttestedRequest.ts'
import type { ConfirmStepRequest__Output } from '../../proto/generated/mayfly/v1/ConfirmStepRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import { maxAttestedSelectors } from '../../src/core/grant/limits.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { Quota } from '../../src/rpc/quota.ts'
import type { Approvals } from '../approvals/approvals.ts'
import type { AttestedFacts } from '../grants/facts.ts'
import type { AgentEnding, Grants } from '../grants/grants.ts'
import type { IssueWish } from '../grants/issuing.ts'
import type { AttestedWish } from '../grants/requests.ts'
import type { StepWish } from '../grants/steps.ts'
import { termsOf, type ServerLimits } from '../limits.ts'
import { agentOf } from './agent-caller.ts'
import type { Caller } from './caller.ts'
import { budgetFromWire, grantForAgent, grantToWire, intentFromWire, probesFromWire, termsToWire, tierFromWire } from './wire-grant.ts'

export interface GrantControlServiceDeps {
  readonly grants: Grants
  readonly approvals: Pick<Approvals, 'mayApprove'>
  readonly clock: Clock
  readonly limits: () => ServerLimits
}

const maxSelectorBytes = 4_200
const maxCsrBytes = 16_384
/** Reports of one agent; it tells of each grant's once in ten seconds. */
const outsiderTerms = { perSecond: 20, burst: 200 }
const endings: readonly AgentEnding['cause'][] = ['completed', 'failed', 'process_exit', 'container_restart', 'posture', 'timeout', 'budget', 'leak', 'orphan', 'withdrawn']

/** `mayfly.v1.GrantControl`: each agent for the grants of its node; those of others are as if they were not. */
export function grantControlService({ grants, approvals, clock, limits }: GrantControlServiceDeps): Handlers<'mayfly.v1.GrantControl', Caller> {
  const quota = new Quota(clock, termsOf(limits, 'grantRequestsPerSecond'))
  const outsiders = new Quota(clock, outsiderTerms)
  const issue = async (kind: 'activate' | 'renew', request: ActivateGrantRequest__Output, agentId: SpiffeId, signal: AbortSignal) => {
    const issued = await grants.issue(kind, issueWish(request), agentId, signal)
    return { grant: grantToWire(issued.grant), chain: issued.chain.map((der) => Buffer.from(der)), terms: termsToWire({ role: issued.role, ...issued.judgement }) }
  }
  return {
    Request: async (request, { peer }) => {
      const agentId = agentOf(peer)
      quota.take(agentId, 1)
      return await grantForAgent(await grants.request(attestedWish(request), agentId), approvals, grants.nowMs())
    },
    Activate: async (request, { peer, signal }) => await issue('activate', request, agentOf(peer), signal),
    Renew: async (request, { peer, signal }) => await issue('renew', request, agentOf(peer), signal),
    LeaseSteps: async ({ grantId }, { peer }) => ({ steps: await grants.steps.lease(grantId, agentOf(peer)) }),
    RecordSteps: async ({ steps }, { peer }) => {
      await grants.steps.record(steps, agentOf(peer))
      return {}
    },
    ConfirmStep: async (request, { peer, signal }) => {
      const { reasons, ...answer } = await grants.steps.confirm(stepWish(request), agentOf(peer), signal)
      return { ...answer, reasons: [...reasons] }
    },
    End: async ({ grantId, cause, outcome, detail }, { peer }) => {
      const known = endings.find((one) => one === cause)
      if (known === undefined) throw new MayflyError('INVALID_ARGUMENT', `an agent ends a grant for one of: ${endings.join(', ')}`)
      return grantToWire(await grants.endByAgent(grantId, { cause: known, outcome, detail }, agentOf(peer)))
    },
    Show: async ({ grantId }, { peer }) => await grantForAgent(await grants.showToAgent(grantId, agentOf(peer)), approvals, grants.nowMs()),
    ReportOutsider: async ({ grantId, pid, uid }, { peer }) => {
      const agentId = agentOf(peer)
      outsiders.take(agentId, 1)
      await grants.outsider(grantId, { pid, uid }, agentId)
      return {}
    },
  }
}

function attestedWish({ request, selectors, requester, instance, tier, parentGrantId, insideGrantId, probes }: AttestedRequest__Output): AttestedWish {
  if (request === null) throw new MayflyError('INVALID_ARGUMENT', 'the request is missing')
  const attested = factsFrom(selectors, tier === '' ? 'pid' : tier, probes)
  if (requester === '' || instance === '') throw new MayflyError('INVALID_ARGUMENT', 'a request names who asks, and the asking process')
  const { spiffeId, role, ttlSeconds, budget } = request
  return { spiffeId, role, intent: intentFromWire(request.intent), ttlSeconds, budget: budgetFromWire(budget), requester, instance, parentGrantId, insideGrantId, attested }
}

function issueWish({ grantId, csr, selectors, instance, binding, tier, probes, progressSecondsAgo }: ActivateGrantRequest__Output): IssueWish {
  if (csr.length === 0 || csr.length > maxCsrBytes) throw new MayflyError('CSR_INVALID', csr.length === 0 ? 'missing CSR' : 'the CSR is too long')
  if (instance === '') throw new MayflyError('INVALID_ARGUMENT', 'the bound process is not named')
  return { grantId, csr, instance, binding, attested: factsFrom(selectors, tier, probes, progressSecondsAgo) }
}

function factsFrom(selectors: readonly string[], tier: string, probes: AttestedRequest__Output['probes'], progressSecondsAgo = 0): AttestedFacts {
  if (selectors.length > maxAttestedSelectors || selectors.some((selector) => selector.length > maxSelectorBytes)) throw new MayflyError('LIMIT_EXCEEDED', `a process has at most ${maxAttestedSelectors} selectors of ${maxSelectorBytes} bytes`)
  return { selectors, tier: tierFromWire(tier), probes: probesFromWire(probes), progressSecondsAgo: Math.max(0, progressSecondsAgo) }
}

function stepWish({ step, probes }: ConfirmStepRequest__Output): StepWish {
  if (step === null) throw new MayflyError('INVALID_ARGUMENT', 'the step is missing')
  const { grantId, action, resource, description, waitSeconds } = step
  return { grantId, action, resource, description, waitMs: Math.max(0, waitSeconds) * 1_000, probes: probesFromWire(probes) }
}
