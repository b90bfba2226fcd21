import { usage } from './arguments.ts'
import type { RoleJson } from './roles.ts'

/** A role with one kind of requester and one intent, by options; anything more is a file. */
export const roleOptions = {
  file: { type: 'string', value: 'FILE', help: 'the role, or several under `roles`, from a JSON or YAML file, or - for stdin' },
  id: { type: 'string', value: 'ID', help: 'the SPIFFE ID of the workload, or its path; its grants are ID/task/…' },
  owner: { type: 'string', value: 'NAME', help: 'who answers for it; must be registered' },
  parent: { type: 'string', value: 'ID', help: 'the agent whose processes may ask; the one agent there is otherwise' },
  selector: { type: 'string', short: 's', multiple: true, value: 'TYPE:VALUE', help: 'what a process that asks must show' },
  action: { type: 'string', multiple: true, value: 'NAME', help: 'an action that may be asked for' },
  resource: { type: 'string', multiple: true, value: 'KIND:NAME', help: 'what it may be done to; db:* for all of a kind' },
  'data-class': { type: 'string', value: 'CLASS', help: 'public, internal (when unset), confidential or restricted' },
  system: { type: 'string', value: 'NAME', help: 'of the workspace' },
  environment: { type: 'string', value: 'NAME', help: 'of the workspace' },
  tenant: { type: 'string', value: 'NAME', help: 'of the workspace' },
  ttl: { type: 'string', value: '5m', help: 'life of one credential' },
  time: { type: 'string', value: '1h', help: 'budget: how long a grant may last' },
  renewals: { type: 'string', value: 'N', help: 'budget: renewals' },
  steps: { type: 'string', value: 'N', help: 'budget: steps' },
  children: { type: 'string', value: 'N', help: 'budget: grants below it' },
  depth: { type: 'string', value: 'N', help: 'budget: levels below it' },
  approvals: { type: 'string', value: 'N', help: 'how many people must approve, whatever policy says' },
  approver: { type: 'string', multiple: true, value: 'NAME', help: 'who may; everyone registered otherwise' },
  'min-tier': { type: 'string', value: 'TIER', help: 'weakest binding: pid, pidfd or cgroup' },
} as const

/** What {@link roleOptions} come to. */
export interface RoleValues {
  readonly id: string | undefined
  readonly owner: string | undefined
  readonly selector: readonly string[]
  readonly action: readonly string[]
  readonly resource: readonly string[]
  readonly approver: readonly string[]
  readonly [name: string]: string | readonly string[] | boolean | undefined
}

/** The role that options describe, without its ID resolved. @throws {MayflyError} USAGE */
export function roleOfOptions(command: string, name: string, options: RoleValues): RoleJson {
  const missing = (['id', 'owner'] as const).find((option) => options[option] === undefined) ?? (['selector', 'action', 'resource'] as const).find((option) => options[option].length === 0)
  if (missing !== undefined) throw usage(command, `--${missing} is missing`)
  const word = (option: string): string | undefined => (typeof options[option] === 'string' ? options[option] : undefined)
  const number = (option: string): number | undefined => {
    const given = word(option)
    if (given !== undefined && !/^\d{1,9}$/.test(given)) throw usage(command, `--${option} is not a number`)
    return given === undefined ? undefined : Number(given)
  }
  const defined = <T extends object>(values: T): Partial<T> => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T> // the same members, fewer
  return {
    name,
    spiffeId: options.id ?? '',
    owner: options.owner ?? '',
    requesters: [{ selectors: options.selector }],
    intents: [
      {
        actions: options.action,
        resources: options.resource,
        dataClass: word('data-class') ?? 'internal',
        workspace: defined({ system: word('system'), environment: word('environment'), tenant: word('tenant') }) as { system?: string }, // texts, or not there
      },
    ],
    budget: defined({ time: word('time'), renewals: number('renewals'), steps: number('steps'), children: number('children'), depth: number('depth') }) as NonNullable<RoleJson['budget']>, // numbers, or not there
    ...(defined({ ttl: word('ttl'), approvals: number('approvals'), minTier: word('min-tier') }) as Pick<RoleJson, 'ttl' | 'approvals' | 'minTier'>), // texts and numbers, or not there
    approvers: options.approver,
  }
}
