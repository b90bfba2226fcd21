import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { PolicyEngine } from '../../src/policy/engine.ts'
import { starterPolicy } from '../../src/policy/starter.ts'
import { asked } from '../policy/support.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const policies = 50
const warmups = 500
const rounds = 5_000

/** One decision of the engine with fifty policies, the starter policy among them, on all the facts of a step. */
export async function bench(): Promise<Report> {
  const set = { ...starterPolicy }
  for (let n = Object.keys(set).length; n < policies; n++) set[`control-${n}`] = `forbid (principal is Mayfly::Workload, action, resource) when { context.role == "role-${n}" && context.depth > ${n} };`
  using engine = await PolicyEngine.load(set)
  const request = asked({ action: 'step', principal: { selectors: ['unix:uid:1000', 'unix:gid:1000', 'unix:user:job', 'unix:path:/usr/bin/job'] } })
  let at = 0
  const decisions = timesOf(() => {
    // each another question: what was asked before is remembered
    if (!engine.decide({ ...request, resources: request.resources.map((resource) => ({ ...resource, name: `db:orders-${at++}` })) }).allowed) throw new Error('the step was denied')
  })
  cedar.preparsePolicySet('bare', { staticPolicies: { permit: 'permit (principal, action, resource);' } })
  const [principal, action, resource] = ['User', 'Action', 'Resource'].map((type) => ({ type, id: 'a' }))
  const bare = timesOf(() => {
    if (principal === undefined || action === undefined || resource === undefined) throw new Error('there are three')
    cedar.statefulIsAuthorized({ principal, action, resource, context: {}, entities: [], preparsedPolicySetId: 'bare' })
  })
  return {
    name: 'policy',
    figures: [
      {
        id: 'policy.p99_us',
        value: percentile(decisions, 0.99) * 1_000,
        unit: 'µs',
        goal: '<= 500',
        limit: { value: percentile(bare, 0.99) * 1_000, unit: 'µs', of: 'a bare call of Cedar with one policy and no facts, p99' },
        note: `p50 ${(percentile(decisions, 0.5) * 1_000).toFixed(0)} µs, of the bare call ${(percentile(bare, 0.5) * 1_000).toFixed(0)} µs; ${policies} policies, ${rounds} decisions`,
      },
    ],
  }
}

function timesOf(act: () => void): number[] {
  for (let at = 0; at < warmups; at++) act()
  const times: number[] = []
  for (let at = 0; at < rounds; at++) {
    const start = elapsedMs()
    act()
    times.push(elapsedMs() - start)
  }
  return times
}
