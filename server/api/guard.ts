import type { Call, Handlers } from '../../src/rpc/handlers.ts'
import type { ServiceName } from '../../src/rpc/services.ts'
import { authorize } from './authorization.ts'
import type { Standing } from './authorization.ts'
import type { Caller } from './caller.ts'

/** The same handlers, each reached only by callers that the authorization table lets pass. */
export function guarded<S extends ServiceName>(handlers: Handlers<S, Caller>, standing: Standing): Handlers<S, Caller> {
  const wrapped = Object.entries<AnyHandler>(handlers as Readonly<Record<string, AnyHandler>>).map(([name, handler]) => [
    name,
    (first: unknown, call: Call<Caller>): unknown => {
      authorize(call.method, call.peer, standing)
      return handler(first, call)
    },
  ])
  return Object.fromEntries(wrapped) as Handlers<S, Caller> // the same names, and what each returns is what it returned
}

type AnyHandler = (first: unknown, call: Call<Caller>) => unknown
