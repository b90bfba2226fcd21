import { MayflyError } from '../../src/core/errors.ts'
import type { PolicyDecider, PolicyRequest } from '../../src/core/grant/policy-request.ts'
import type { RecordedDecision } from '../store/grant-model.ts'
import type { GrantStore } from '../store/grant-port.ts'

/** A recorded decision that would come out differently. */
export interface Difference {
  readonly grantId: string
  readonly at: string
  readonly wasAllowed: boolean
  readonly nowAllowed: boolean
  readonly reasons: readonly string[]
}

export interface Replayed {
  readonly requests: number
  /** The first thousand. */
  readonly differences: readonly Difference[]
}

const pageSize = 500
const maxDifferences = 1_000

/** Asks a proposed policy what was asked before, as it was asked then, and says what would have come out differently. Changes nothing. */
export async function replay(grants: Pick<GrantStore, 'decisionsSince'>, decider: PolicyDecider, sinceMs: number): Promise<Replayed> {
  const differences: Difference[] = []
  let requests = 0
  for (let after: string | undefined; ; ) {
    const page = await grants.decisionsSince(sinceMs, { size: pageSize, ...(after === undefined ? {} : { after }) })
    for (const recorded of page.items) {
      requests++
      const difference = differenceOf(recorded, decider)
      if (difference !== undefined && differences.length < maxDifferences) differences.push(difference)
    }
    after = page.next
    if (after === undefined) return { requests, differences }
  }
}

function differenceOf({ grantId, decision, asked }: RecordedDecision, decider: PolicyDecider): Difference | undefined {
  const { allowed, reasons } = decider.decide(parseAsked(asked))
  return allowed === decision.allowed ? undefined : { grantId, at: decision.at, wasAllowed: decision.allowed, nowAllowed: allowed, reasons }
}

function parseAsked(text: string): PolicyRequest {
  try {
    return JSON.parse(text) as PolicyRequest // what the server wrote down when it asked
  } catch (error) {
    throw new MayflyError('STORE_CORRUPT', 'a recorded decision does not say what was asked', { cause: error })
  }
}
