import type { GrantRole as WireRole, GrantRole__Output } from '../../proto/generated/mayfly/v1/GrantRole.ts'
import { formatDuration, parseDurationMs } from '../core/duration.ts'
import { MayflyError } from '../core/errors.ts'
import { isRecord } from '../core/record.ts'

/** A grant role as files and `--json` have it; durations as text, `10m`. */
export interface RoleJson {
  readonly name: string
  readonly spiffeId: string
  readonly owner: string
  readonly requesters: readonly { readonly parentId?: string; readonly selectors: readonly string[] }[]
  readonly intents: readonly {
    readonly actions: readonly string[]
    readonly resources: readonly string[]
    readonly dataClass?: string
    readonly workspace?: { readonly system?: string; readonly environment?: string; readonly tenant?: string }
  }[]
  readonly budget?: { readonly time?: string; readonly renewals?: number; readonly steps?: number; readonly children?: number; readonly depth?: number }
  readonly ttl?: string
  readonly approvalTtl?: string
  readonly approvals?: number
  readonly approvers?: readonly string[]
  readonly minTier?: string
  readonly progress?: string
  readonly endOnSecondUse?: boolean
  readonly confirmActions?: readonly string[]
  readonly approveActions?: readonly string[]
  readonly probes?: readonly string[]
  readonly fromInside?: boolean
}

type Reader = (value: unknown, where: string) => unknown

const workspace = object({ system: text, environment: text, tenant: text })
const roleShape = object({
  name: text,
  spiffeId: text,
  owner: text,
  requesters: listOf(object({ parentId: text, selectors: listOf(text) })),
  intents: listOf(object({ actions: listOf(text), resources: listOf(text), dataClass: text, workspace })),
  budget: object({ time: duration, renewals: count, steps: count, children: count, depth: count }),
  ttl: duration,
  approvalTtl: duration,
  approvals: count,
  approvers: listOf(text),
  minTier: text,
  progress: duration,
  endOnSecondUse: flag,
  confirmActions: listOf(text),
  approveActions: listOf(text),
  probes: listOf(text),
  fromInside: flag,
  version: count,
})

/** One role of a file, or a list under `roles`. Unknown names are refused. @throws {MayflyError} INVALID_ARGUMENT with the place */
export function parseRoles(content: unknown, where: string): RoleJson[] {
  const list = isRecord(content) && Array.isArray(content['roles']) ? content['roles'] : [content]
  return list.map((item: unknown, at) => {
    const role = roleShape(item, list.length === 1 ? where : `${where}, role ${at + 1}`) as Partial<RoleJson> // the shape has just been looked at
    for (const name of ['name', 'spiffeId', 'owner', 'requesters', 'intents'] as const) if (role[name] === undefined) throw invalid(where, `${name} is missing`)
    return role as RoleJson // what a role needs is there
  })
}

/** @param parentId of requesters that name none */
export function roleToWire(role: RoleJson, parentId: string): WireRole {
  const { budget = {}, requesters, intents } = role
  return {
    name: role.name,
    spiffeId: role.spiffeId,
    owner: role.owner,
    requesters: requesters.map((requester) => ({ parentId: requester.parentId ?? parentId, selectors: [...requester.selectors] })),
    intents: intents.map((intent) => ({ actions: [...intent.actions], resources: [...intent.resources], dataClass: intent.dataClass ?? 'internal', workspace: intent.workspace ?? {} })),
    budget: { seconds: seconds(budget.time ?? '1h'), renewals: budget.renewals ?? 10, steps: budget.steps ?? 1_000, children: budget.children ?? 0, depth: budget.depth ?? 0 },
    credentialTtlSeconds: seconds(role.ttl ?? '5m'),
    approvalTtlSeconds: seconds(role.approvalTtl ?? '15m'),
    approvals: role.approvals ?? 0,
    approvers: [...(role.approvers ?? [])],
    minTier: role.minTier ?? 'pid',
    progressSeconds: seconds(role.progress ?? '0s'),
    endOnSecondUse: role.endOnSecondUse ?? false,
    confirmActions: [...(role.confirmActions ?? [])],
    approveActions: [...(role.approveActions ?? [])],
    probes: [...(role.probes ?? [])],
    fromInside: role.fromInside ?? false,
  }
}

/** As a file has it: what `role show --json` prints can be changed and given to `role update`. */
export function roleToJson(role: GrantRole__Output): RoleJson & { readonly version: number } {
  const { budget } = role
  return {
    name: role.name,
    spiffeId: role.spiffeId,
    owner: role.owner,
    requesters: role.requesters.map(({ parentId, selectors }) => ({ parentId, selectors })),
    intents: role.intents.map((intent) => ({ actions: intent.actions, resources: intent.resources, dataClass: intent.dataClass, workspace: intent.workspace ?? {} })),
    budget: { time: written(budget?.seconds ?? 0), renewals: budget?.renewals ?? 0, steps: budget?.steps ?? 0, children: budget?.children ?? 0, depth: budget?.depth ?? 0 },
    ttl: written(role.credentialTtlSeconds),
    approvalTtl: written(role.approvalTtlSeconds),
    approvals: role.approvals,
    approvers: role.approvers,
    minTier: role.minTier,
    progress: written(role.progressSeconds),
    endOnSecondUse: role.endOnSecondUse,
    confirmActions: role.confirmActions,
    approveActions: role.approveActions,
    probes: role.probes,
    fromInside: role.fromInside,
    version: role.version,
  }
}

/** Exactly: formatDuration drops what is below its two largest units. */
function written(count: number): string {
  const short = formatDuration(count * 1_000)
  return parseDurationMs(short) === count * 1_000 && count > 0 ? short : `${count}s`
}

function seconds(text: string): number {
  return Math.floor(parseDurationMs(text) / 1_000)
}

function object(members: Readonly<Record<string, Reader>>): Reader {
  return (value, where) => {
    if (!isRecord(value)) throw invalid(where, 'it is not an object')
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const read = members[name]
        if (read === undefined) throw invalid(where, `${JSON.stringify(name.slice(0, 64))} is no member of it; there are ${Object.keys(members).join(', ')}`)
        return [name, read(item, `${where}, ${name}`)]
      }),
    )
  }
}

function listOf(read: Reader): Reader {
  return (value, where) => {
    if (!Array.isArray(value)) throw invalid(where, 'a list is wanted')
    return value.map((item: unknown, at) => read(item, `${where} ${at + 1}`))
  }
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string') throw invalid(where, 'a text is wanted')
  return value
}

function duration(value: unknown, where: string): string {
  const found = text(value, where)
  parseDurationMs(found)
  return found
}

function count(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw invalid(where, 'a whole number is wanted')
  return value
}

function flag(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw invalid(where, 'true or false is wanted')
  return value
}

function invalid(where: string, why: string): MayflyError {
  return new MayflyError('INVALID_ARGUMENT', `${where}: ${why}`, { hint: 'mayfly role show NAME --json prints one as a file has it' })
}
