import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { Quota } from '../../src/rpc/quota.ts'
import type { QuotaTerms } from '../../src/rpc/quota.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { SvidCheck } from './svid-check.ts'

/** `mayfly.v1.Verifier` on the Workload API's socket (EP-15): for any local process. */
export function verifierService(check: SvidCheck, clock: Clock, terms: QuotaTerms): Handlers<'mayfly.v1.Verifier', WorkloadConnection> {
  const quota = new Quota(clock, terms)
  return {
    Check: async (question, { peer }) => {
      quota.take(String(peer.caller.uid), 1)
      return check.check(question)
    },
  }
}
