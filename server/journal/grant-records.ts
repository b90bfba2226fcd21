import type { Decision, Grant, GrantRole } from '../../src/core/grant/grant.ts'
import type { GrantMove } from '../../src/core/grant/machine.ts'
import type { Person, PolicyException, PolicyVersion, TakenStep } from '../store/grant-model.ts'

/** Whether a record is about grants or what they stand on. */
export function isGrantRecord(record: { readonly kind: string }): record is GrantRecord {
  return Object.hasOwn(kinds, record.kind)
}

const kinds: Readonly<Record<GrantRecord['kind'], true>> = {
  'grant.requested': true,
  'grant.moved': true,
  'grant.decided': true,
  'grants.pruned': true,
  'steps.recorded': true,
  'role.put': true,
  'role.deleted': true,
  'owner.put': true,
  'owner.removed': true,
  'owner.transferred': true,
  'person.put': true,
  'person.removed': true,
  'signature.spent': true,
  'policy.applied': true,
  'exception.put': true,
  'exception.removed': true,
}

interface Stamp {
  readonly by: string
  readonly atMs: number
}

/** Changes of grants and of what they stand on, as the journal holds them. */
export type GrantRecord =
  | ({ readonly kind: 'grant.requested'; readonly grant: Grant } & Stamp)
  /** One transition; `version` is the grant's after it. `asked`: JSON of what policy was asked, where a decision moved it. */
  | ({ readonly kind: 'grant.moved'; readonly id: string; readonly version: number; readonly move: GrantMove; readonly asked?: string } & Stamp)
  /** A decision that moved nothing. */
  | ({ readonly kind: 'grant.decided'; readonly id: string; readonly decision: Decision; readonly asked: string } & Stamp)
  | ({ readonly kind: 'grants.pruned'; readonly beforeMs: number } & Stamp)
  | ({ readonly kind: 'steps.recorded'; readonly steps: readonly TakenStep[] } & Stamp)
  | ({ readonly kind: 'role.put'; readonly role: GrantRole } & Stamp)
  | ({ readonly kind: 'role.deleted'; readonly name: string } & Stamp)
  | ({ readonly kind: 'owner.put'; readonly name: string; readonly contact: string } & Stamp)
  | ({ readonly kind: 'owner.removed'; readonly name: string } & Stamp)
  /** Its ledger rows too; entries, roles and grants have records of their own beside it. */
  | ({ readonly kind: 'owner.transferred'; readonly from: string; readonly to: string } & Stamp)
  | ({ readonly kind: 'person.put'; readonly person: Person } & Stamp)
  | ({ readonly kind: 'person.removed'; readonly name: string } & Stamp)
  /** A signature that is good once, over something other than a request. */
  | ({ readonly kind: 'signature.spent'; readonly approver: string; readonly signedHash: string; readonly signature: string } & Stamp)
  | ({ readonly kind: 'policy.applied' } & PolicyVersion)
  | ({ readonly kind: 'exception.put'; readonly exception: PolicyException } & Stamp)
  | ({ readonly kind: 'exception.removed'; readonly id: string } & Stamp)
