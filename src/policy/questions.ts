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
  const principal = principalOf(request.principal, facts.principal)
  const context = contextOf(request.context, facts.context)
  return request.resources.map((resource) => {
    const asked = resourceOf(resource, facts.resource)
    return { principal: principal.uid, action: uid('Action', request.action), resource: asked.uid, context, entities: [principal, asked] }
  })
}

/** Names of facts; `undefined`: all that there are. */
type Names = ReadonlySet<string> | undefined
type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>

function principalOf(principal: PolicyWorkload | PolicyPerson, names: Names): Entity {
  if (principal.kind === 'person') {
    const { name, owners, roles } = principal
    return { uid: uid('Person', name), attrs: chosen({ name, owners, roles }, names), parents: [] }
  }
  const { id, agentId, selectors, tier, owner, recentDenials, recentExpiries } = principal
  return { uid: uid('Workload', id), attrs: chosen({ id, agent: agentId, selectors, tier: tierLevels[tier], owner, recentDenials, recentExpiries }, names), parents: [] }
}

function resourceOf({ name, dataClass, system, environment, tenant }: PolicyResource, names: Names): Entity {
  return { uid: uid('Resource', name), attrs: chosen({ name, dataClass: classLevels[dataClass], system, environment, tenant }, names), parents: [] }
}

function contextOf({ nowMs, ...rest }: PolicyContext, names: Names): Record<string, Value> {
  const nowSeconds = Math.floor(nowMs / 1000)
  const days = Math.floor(nowSeconds / 86_400)
  return chosen(
    {
      ...rest,
      nowSeconds,
      minuteOfDay: Math.floor((nowSeconds - days * 86_400) / 60),
      weekday: ((days + 3) % 7) + 1, // the epoch began on a Thursday
    },
    names,
  )
}

/** Of these facts, as Cedar takes them, which has whole numbers only. */
function chosen(facts: Facts, names: Names): Record<string, Value> {
  const found: Record<string, Value> = {}
  for (const name of Object.keys(facts)) {
    const value = facts[name]
    if (value === undefined || names?.has(name) === false) continue
    found[name] = typeof value === 'number' ? Math.trunc(value) : typeof value === 'object' ? [...value] : value
  }
  return found
}

function uid(type: string, id: string): Uid {
  return { type: `Mayfly::${type}`, id }
}
