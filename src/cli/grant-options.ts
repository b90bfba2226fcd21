import type { RequestGrantRequest } from '../../proto/generated/mayfly/v1/RequestGrantRequest.ts'
import { parseDurationMs } from '../core/duration.ts'
import { usage } from './arguments.ts'

/** What a task declares when it asks for a grant; shared by `run --do` and `grant request`. */
export const grantOptions = {
  do: { type: 'string', multiple: true, value: 'ACTION', help: 'ask for a grant: what the task will do' },
  on: { type: 'string', multiple: true, value: 'KIND:NAME', help: 'what it will do it to' },
  role: { type: 'string', value: 'NAME', help: 'the grant role; may be left out when only one fits' },
  reason: { type: 'string', value: 'TEXT', help: 'why, for those who approve' },
  ticket: { type: 'string', value: 'ID', help: 'the change or incident it belongs to' },
  expect: { type: 'string', value: 'TEXT', help: 'what will be true when it has worked' },
  system: { type: 'string', value: 'NAME', help: 'of the workspace; outside of it everything is denied' },
  environment: { type: 'string', value: 'NAME', help: 'of the workspace' },
  tenant: { type: 'string', value: 'NAME', help: 'of the workspace' },
  ttl: { type: 'string', value: '10m', help: 'how long the task may take, renewals and all' },
  renewals: { type: 'string', value: 'N', help: 'budget; as the role has it when unset, and never more' },
  steps: { type: 'string', value: 'N', help: 'budget' },
  children: { type: 'string', value: 'N', help: 'budget' },
  depth: { type: 'string', value: 'N', help: 'budget' },
  binding: { type: 'string', value: 'KIND', help: 'what it lives with: process, cgroup or container' },
} as const

export interface GrantValues {
  readonly do: readonly string[]
  readonly on: readonly string[]
  readonly [name: string]: string | readonly string[] | boolean | undefined
}

/** Whether any of them was given: who names a role or a reason wants a grant, and is not given a standing identity because the rest is missing. */
export function asksForGrant(options: GrantValues): boolean {
  return Object.keys(grantOptions).some((name) => {
    const value = options[name]
    return Array.isArray(value) ? value.length > 0 : value !== undefined
  })
}

/** The request that the options come to. @throws {MayflyError} USAGE, DURATION_INVALID */
export function grantRequestOf(command: string, spiffeId: string, options: GrantValues): RequestGrantRequest {
  if (options.do.length === 0 || options.on.length === 0) throw usage(command, `${options.do.length === 0 ? '--do' : '--on'} is missing`, 'say what the task does and to what: --do write --on db:orders')
  const word = (name: string): string => (typeof options[name] === 'string' ? options[name] : '')
  const number = (name: string): number => {
    if (!/^\d{0,9}$/.test(word(name))) throw usage(command, `--${name} is not a number`)
    return Number(word(name))
  }
  return {
    spiffeId,
    role: word('role'),
    intent: {
      actions: [...options.do],
      resources: [...options.on],
      workspace: { system: word('system'), environment: word('environment'), tenant: word('tenant') },
      reason: word('reason'),
      ticket: word('ticket'),
      expectedOutcome: word('expect'),
    },
    budget: { seconds: word('ttl') === '' ? 0 : Math.ceil(parseDurationMs(word('ttl')) / 1_000), renewals: number('renewals'), steps: number('steps'), children: number('children'), depth: number('depth') },
    binding: word('binding'),
  }
}
