import type { BindingTier, DataClass, PolicyContext, PolicyPerson, PolicyRequest, PolicyResource, PolicyWorkload } from '../core/grant/policy-request.ts'
import type { LookedAt } from './relevance.ts'

const tierLevels: Readonly<Record<BindingTier, number>> = { pid: 0, pidfd: 1, cgroup: 2 }
const classLevels: Readonly<Record<DataClass, number>> = { public: 0, internal: 1, confidential: 2, restricted: 3 }

type Value = string | number | boolean | string[]
/** As Cedar's package declares it: it takes no readonly one. */
interface Uid {
  type: string
  id: string
}
interface Entity {
  readonly uid: Uid
  readonly attrs: Record<string, Value>
  readonly parents: []
}

/** What Cedar is asked for one resource. */
export interface Question {
  readonly principal: Uid
  readonly action: Uid
  readonly resource: Uid
  readonly context: Record<string, Value>
  readonly entities: Entity[]
}

/** The request as Cedar is asked, once for each resource, in the words of the schema; with the facts that are looked at and no others. */
export function questionsOf(request: PolicyRequest, facts: LookedAt): Question[] {
  const principal = only(principalOf(request.principal), facts.principal)
  const context = chosen(contextOf(request.context), facts.context)
  return request.resources.map((resource) => {
    const asked = only(resourceOf(resource), facts.resource)
    return { principal: principal.uid, action: uid('Action', request.action), resource: asked.uid, context, entities: [principal, asked] }
  })
}

function principalOf(principal: PolicyWorkload | PolicyPerson): Entity {
  if (principal.kind === 'person') {
    const { name, owners, roles } = principal
    return { uid: uid('Person', name), attrs: { name, owners: [...owners], roles: [...roles] }, parents: [] }
  }
  const { id, agentId, selectors, tier, owner, recentDenials, recentExpiries } = principal
  return { uid: uid('Workload', id), attrs: { id, agent: agentId, selectors: [...selectors], tier: tierLevels[tier], owner, recentDenials, recentExpiries }, parents: [] }
}

function resourceOf({ name, dataClass, system, environment, tenant }: PolicyResource): Entity {
  return { uid: uid('Resource', name), attrs: { name, dataClass: classLevels[dataClass], system, environment, tenant }, parents: [] }
}

function contextOf(context: PolicyContext): Record<string, Value> {
  const { nowMs, actions, approvers, flags, probesFailed, exceptions, ...rest } = context
  const nowSeconds = Math.floor(nowMs / 1000)
  const days = Math.floor(nowSeconds / 86_400)
  return {
    ...whole(rest),
    actions: [...actions],
    approvers: [...approvers],
    flags: [...flags],
    probesFailed: [...probesFailed],
    exceptions: [...exceptions],
    nowSeconds,
    minuteOfDay: Math.floor((nowSeconds - days * 86_400) / 60),
    weekday: ((days + 3) % 7) + 1, // the epoch began on a Thursday
  }
}

function only(entity: Entity, names: ReadonlySet<string> | undefined): Entity {
  return { ...entity, attrs: chosen(entity.attrs, names) }
}

function chosen(facts: Record<string, Value>, names: ReadonlySet<string> | undefined): Record<string, Value> {
  return names === undefined ? facts : Object.fromEntries(Object.entries(facts).filter(([name]) => names.has(name)))
}

/** Cedar has whole numbers only. */
function whole(facts: Readonly<Record<string, string | number | boolean>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, typeof value === 'number' ? Math.trunc(value) : value]))
}

function uid(type: string, id: string): Uid {
  return { type: `Mayfly::${type}`, id }
}
