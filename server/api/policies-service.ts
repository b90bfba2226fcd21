import { createHash } from 'node:crypto'
import type { PolicyException as WireException } from '../../proto/generated/mayfly/v1/PolicyException.ts'
import type { PolicyInForce } from '../../proto/generated/mayfly/v1/PolicyInForce.ts'
import type { PolicySet__Output } from '../../proto/generated/mayfly/v1/PolicySet.ts'
import { exceptionStatement } from '../../src/core/approval/statement.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Grant } from '../../src/core/grant/grant.ts'
import type { PolicyDecider } from '../../src/core/grant/policy-request.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { PolicyEngine } from '../../src/policy/engine.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { Reevaluation, ReevaluationOptions } from '../grants/reevaluation.ts'
import { checkSignature } from '../approvals/signer.ts'
import { checkMayApproveException, checkWaivable, covers, isRunning, maxTtlControl } from '../policy/exceptions.ts'
import type { Policies } from '../policy/policies.ts'
import { replay } from '../policy/replay.ts'
import type { PolicyException, PolicyVersion } from '../store/grant-model.ts'
import type { ExceptionStore, GrantStore, PeopleStore, RoleStore } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { checkReason } from './revocations-service.ts'
import { decisionToWire } from './wire-grant.ts'

export interface PoliciesServiceDeps {
  readonly trustDomain: TrustDomain
  readonly policies: Policies
  readonly store: { readonly grants: GrantStore; readonly exceptions: ExceptionStore; readonly people: PeopleStore; readonly roles: RoleStore }
  /** Asks a policy about every active grant; unless it is a dry run, ends those that it denies (cause `policy_change`). */
  readonly reevaluate: (decider: PolicyDecider, options: ReevaluationOptions, by: Actor) => Promise<Reevaluation>
  readonly random: Random
  readonly grantTimeMs: () => number
}

const dayMs = 86_400_000
/** Longest that an exception runs without somebody looking at it again. */
const maxReviewMs = 366 * dayMs

/** `mayfly.v1.Policies`: the policy in force, a dry run of another, and exceptions. */
export function policiesService({ trustDomain, policies, store, reevaluate, random, grantTimeMs }: PoliciesServiceDeps): Handlers<'mayfly.v1.Policies', Caller> {
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: grantTimeMs() })
  return {
    Show: async () => inForceToWire(policies.inForce),
    Apply: async ({ set, dryRun, reason }, { peer }) => {
      const by = actor(peer)
      if (dryRun) {
        using engine = await PolicyEngine.load(setFromWire(set))
        const { evaluated, ended } = await reevaluate(engine, { dryRun: true }, by)
        return { hash: engine.hash, version: policies.inForce.version, evaluated, endedGrantIds: [...ended] }
      }
      const { hash, version } = await policies.apply(setFromWire(set), checkReason(reason), by)
      const { evaluated, ended } = await reevaluate(await policies.decider(), { dryRun: false }, by)
      return { hash, version, evaluated, endedGrantIds: [...ended] }
    },
    Explain: async ({ grantId }) => {
      if ((await store.grants.byId(grantId)) === undefined) throw new MayflyError('NOT_FOUND', 'no grant has this ID', { hint: 'mayfly grant list' })
      const recorded = await store.grants.decisions(grantId)
      return { decisions: recorded.map(({ decision }) => decisionToWire(decision)), request: recorded.findLast(({ asked }) => asked !== '')?.asked ?? '' }
    },
    Replay: async ({ set, sinceMs }) => {
      using engine = await PolicyEngine.load(setFromWire(set))
      const { requests, differences } = await replay(store.grants, engine, sinceMs)
      return { requests, differences: differences.map((difference) => ({ ...difference, reasons: [...difference.reasons] })) }
    },
    PutException: async (wire, { peer }) => {
      const by = actor(peer)
      const id = wire.id === '' ? `exception-${Buffer.from(random.bytes(8)).toString('hex')}` : wire.id
      const exception = exceptionFromWire(wire, id, by)
      const words = exceptionStatement(trustDomain, exception)
      const person = await store.people.byName(exception.approver)
      checkSignature(person, words, wire.signature)
      checkMayApproveException(person, exception, await store.roles.all())
      checkWaivable(exception.control, (await policies.decider()).waivable)
      const signedHash = createHash('sha256').update(words).digest('hex')
      return exceptionToWire(await store.exceptions.put(exception, { signedHash, signature: wire.signature }, by), by.atMs)
    },
    RemoveException: async ({ name }, { peer }) => {
      const by = actor(peer)
      const removed = (await store.exceptions.all()).find(({ id }) => id === name)
      const roles = new Map((await store.roles.all()).map((role) => [role.name, role]))
      await store.exceptions.remove(name, by)
      if (removed === undefined) return {}
      // what stood on it is not allowed any more
      const only = ({ role, owner }: Grant): boolean => covers(removed, { role, owner, spiffeId: roles.get(role)?.spiffeId ?? '' })
      await reevaluate(await policies.decider(), { dryRun: false, only }, by)
      return {}
    },
    ListExceptions: async () => ({ exceptions: (await store.exceptions.all()).map((exception) => exceptionToWire(exception, grantTimeMs())) }),
  }
}

function setFromWire(set: PolicySet__Output | null): PolicySet {
  return set?.policies ?? {}
}

function inForceToWire({ policies, hash, version, by, atMs }: PolicyVersion): PolicyInForce {
  return { set: { policies: { ...policies } }, hash, version, appliedBy: by, appliedAtMs: atMs }
}

function exceptionFromWire({ control = '', scope = '', owner = '', reason = '', approver = '', reviewAtMs = 0, value = 0 }: WireException, id: string, by: Actor): Omit<PolicyException, 'createdAtMs'> {
  const refused = (why: string, hint: string): MayflyError => new MayflyError('INVALID_ARGUMENT', why, { hint })
  if (checkReason(reason) === '') throw refused('an exception has a reason', 'say --reason')
  if (owner === '') throw refused('an exception has an owner who answers for it', 'say --owner')
  if (!/^(?:role:.+|owner:.+|spiffe:\/\/.+)$/.test(scope)) throw refused('the scope of an exception is role:NAME, owner:NAME or a SPIFFE ID', 'say --scope role:deploy')
  const review = Number(reviewAtMs)
  if (review <= by.atMs || review - by.atMs > maxReviewMs) throw refused('an exception is reviewed within a year', 'say --review 30d')
  const seconds = Number(value)
  if (control === maxTtlControl ? seconds < 1 : seconds !== 0) throw refused(`the value of an exception is the seconds of ${maxTtlControl}, and of nothing else`, `say --control ${maxTtlControl} --value 2h`)
  if (approver === owner) throw refused('nobody approves an exception of their own', 'somebody else has to')
  return { id, control, scope, owner, reason, approver, reviewAtMs: review, value: seconds }
}

function exceptionToWire(exception: PolicyException, nowMs: number): WireException {
  return { ...exception, expired: !isRunning(exception, nowMs) }
}
