import type { Call, Handlers } from '../../src/rpc/handlers.ts'
import type { Quota } from '../../src/rpc/quota.ts'
import type { ServiceName } from '../../src/rpc/services.ts'
import { authorize } from './authorization.ts'
import type { Standing } from './authorization.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { networkOf } from './caller-network.ts'

export interface GuardDeps {
  readonly standing: Standing
  /** Calls that one caller may make. */
  readonly messages: Quota
}

/** The same handlers, each reached only by callers that the authorization table lets pass, and no more often than one caller may call. */
export function guarded<S extends ServiceName>(handlers: Handlers<S, Caller>, { standing, messages }: GuardDeps): Handlers<S, Caller> {
  const wrapped = Object.entries<AnyHandler>(handlers as Readonly<Record<string, AnyHandler>>).map(([name, handler]) => [
    name,
    (first: unknown, call: Call<Caller>): unknown => {
      messages.take(keyOf(call.peer), 1)
      authorize(call.method, call.peer, standing)
      return handler(first, call)
    },
  ])
  return Object.fromEntries(wrapped) as Handlers<S, Caller> // the same names, and what each returns is what it returned
}

/** Who shares a quota: a user of this machine, an SVID's ID, or the address of those who have none. */
function keyOf(caller: Caller): string {
  return caller.kind === 'anonymous' || caller.kind === 'refused' ? networkOf(caller) : nameOf(caller)
}

type AnyHandler = (first: unknown, call: Call<Caller>) => unknown
