import { MayflyError } from '../core/errors.ts'
import { parseSelector } from '../core/selector.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import { typedId } from './ids.ts'
import type { EntryFilter } from '../../proto/generated/mayfly/v1/EntryFilter.ts'

/** What an entry says, as options of create and update. */
export const entryOptions = {
  id: { type: 'string', value: 'ID', help: 'SPIFFE ID that the workload gets; a path such as /web is of the trust domain' },
  parent: { type: 'string', value: 'ID', help: 'the agent that serves it, or the name of a node' },
  selector: { type: 'string', short: 's', multiple: true, value: 'TYPE:VALUE', help: 'a fact the process must show, all of them' },
  'x509-ttl': { type: 'string', value: '15m', help: "how long an SVID lives; the server's default when unset" },
  'jwt-ttl': { type: 'string', value: '5m', help: 'the same of tokens' },
  owner: { type: 'string', value: 'NAME', help: 'the person or team answerable' },
  hint: { type: 'string', value: 'TEXT', help: 'tells the workload which of its identities this is' },
  'dns-name': { type: 'string', multiple: true, value: 'NAME', help: 'a DNS name in the SVID' },
  'federates-with': { type: 'string', multiple: true, value: 'DOMAIN', help: 'a foreign trust domain whose bundle it gets' },
  'expires-at': { type: 'string', value: 'TIME', help: 'no SVID after this time (ISO 8601)' },
  admin: { type: 'boolean', help: 'the SVID may call the admin API' },
  downstream: { type: 'boolean', help: 'the SVID belongs to a server below this one' },
  prefetch: { type: 'boolean', help: 'sign before it is asked for' },
  'keep-on-exit': { type: 'boolean', help: 'keep the SVID when its last process exits' },
  crl: { type: 'boolean', help: 'hand its workloads lists of revoked certificates, for clients that read them' },
} as const

/** Filters of list and count. */
export const filterOptions = {
  id: { type: 'string', value: 'ID', help: 'with this SPIFFE ID' },
  parent: { type: 'string', value: 'ID', help: 'of this agent or node' },
  selector: { type: 'string', short: 's', multiple: true, value: 'TYPE:VALUE', help: 'with these selectors, by --match' },
  match: { type: 'string', value: 'HOW', help: 'exact, superset (the default), subset or any' },
  owner: { type: 'string', value: 'NAME', help: 'of this owner' },
  hint: { type: 'string', value: 'TEXT', help: 'with this hint' },
  disabled: { type: 'boolean', help: 'only disabled ones' },
  enabled: { type: 'boolean', help: 'only those that are not' },
} as const

export interface FilterValues {
  readonly id: string | undefined
  readonly parent: string | undefined
  readonly selector: readonly string[]
  readonly match: string | undefined
  readonly owner: string | undefined
  readonly hint: string | undefined
  readonly disabled: boolean
  readonly enabled: boolean
}

const matchKinds = { exact: 'MATCH_EXACT', subset: 'MATCH_SUBSET', superset: 'MATCH_SUPERSET', any: 'MATCH_ANY' } as const

/** @throws {MayflyError} USAGE, SPIFFE_ID_INVALID, SELECTOR_INVALID */
export async function filterOf(values: FilterValues, server: RpcChannel, signal: AbortSignal): Promise<EntryFilter> {
  const how = values.match ?? 'superset'
  if (!(how in matchKinds)) throw new MayflyError('USAGE', `no match ${JSON.stringify(how)}`, { hint: 'exact, superset, subset or any' })
  if (values.disabled && values.enabled) throw new MayflyError('USAGE', 'no entry is both disabled and enabled')
  return {
    ...(values.id === undefined ? {} : { spiffeId: { value: await typedId(values.id, server, signal) } }),
    ...(values.parent === undefined ? {} : { parentId: { value: await typedId(values.parent, server, signal) } }),
    ...(values.selector.length === 0 ? {} : { selectors: { selectors: values.selector.map((text) => ({ ...parseSelector(text) })), match: matchKinds[how as keyof typeof matchKinds] } }), // checked above
    ...(values.owner === undefined ? {} : { owner: { value: values.owner } }),
    ...(values.hint === undefined ? {} : { hint: { value: values.hint } }),
    ...(values.disabled || values.enabled ? { disabled: { value: values.disabled } } : {}),
  }
}
