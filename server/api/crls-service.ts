import type { CrlSet } from '../../proto/generated/mayfly/v1/CrlSet.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { CrlBridge } from '../crl/crl-bridge.ts'
import type { PublishedCrl } from '../crl/published-crl.ts'
import type { Caller } from './caller.ts'
import { Wakeup } from './wakeup.ts'

export interface CrlsServiceDeps {
  /** Lists are made from the first caller on. */
  readonly crls: () => Promise<Pick<CrlBridge, 'crls' | 'onPublished'>>
  readonly log: Logger
}

/** All lists together; what is longer would take the whole X.509 response beyond what gRPC clients accept. */
const maxCrlSetBytes = 262_144

/** `mayfly.v1.Crls`: what agents hand to workloads whose entries ask. */
export function crlsService(deps: CrlsServiceDeps): Handlers<'mayfly.v1.Crls', Caller> {
  const messages = new WeakMap<readonly PublishedCrl[], CrlSet>()
  const messageOf = (crls: readonly PublishedCrl[]): CrlSet => {
    const message = messages.get(crls) ?? toWire(crls, deps.log)
    messages.set(crls, message)
    return message
  }
  return { Watch: (_, { signal }) => watch(deps, messageOf, signal) }
}

/** Made once for all who watch. */
function toWire(crls: readonly PublishedCrl[], log: Logger): CrlSet {
  const bytes = crls.reduce((sum, { der }) => sum + der.length, 0)
  if (bytes <= maxCrlSetBytes) return { crls: crls.map(({ der }) => Buffer.from(der)) }
  log.warn({ event: 'crl.too_long', bytes, limit: maxCrlSetBytes }, 'the lists are too long for the Workload API: workloads that ask for them get none')
  return { crls: [] }
}

async function* watch({ crls }: CrlsServiceDeps, messageOf: (crls: readonly PublishedCrl[]) => CrlSet, signal: AbortSignal): AsyncGenerator<CrlSet, void, undefined> {
  const bridge = await crls()
  const wakeup = new Wakeup()
  using following = bridge.onPublished(() => wakeup.wake())
  void following // held until the agent has gone
  let sent: readonly PublishedCrl[] | undefined
  while (!signal.aborted) {
    if (bridge.crls !== sent) {
      sent = bridge.crls
      yield messageOf(sent)
    }
    await wakeup.wait(signal)
  }
}
