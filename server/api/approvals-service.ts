import { createHash } from 'node:crypto'
import type { PendingApproval } from '../../proto/generated/mayfly/v1/PendingApproval.ts'
import type { Person as WirePerson } from '../../proto/generated/mayfly/v1/Person.ts'
import { approvalNamespace } from '../../src/core/approval/statement.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { parseAuthorizedKey } from '../../src/ssh/public-key.ts'
import type { Approvals, Waiting } from '../approvals/approvals.ts'
import type { Person } from '../store/grant-model.ts'
import type { PeopleStore } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { networkOf } from './caller-network.ts'
import { checkReason } from './revocations-service.ts'
import { grantToWire } from './wire-grant.ts'

export interface ApprovalsServiceDeps {
  readonly approvals: Approvals
  readonly store: { readonly people: PeopleStore }
  readonly clock: Clock
  /** Now, as grants see it: never goes back. */
  readonly grantTimeMs: () => number
}

/** Signatures that one address may have verified, whoever signed them. */
const signatureTerms = { perSecond: 5, burst: 20 }

/** `mayfly.v1.Approvals`: whoever brings a signature, the signature is what counts; registering people is for administrators. */
export function approvalsService({ approvals, store, clock, grantTimeMs }: ApprovalsServiceDeps): Handlers<'mayfly.v1.Approvals', Caller> {
  const signatures = new Quota(clock, signatureTerms)
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: grantTimeMs() })
  const brought = (caller: Caller): Actor => {
    signatures.take(networkOf(caller), 1)
    return actor(caller)
  }
  return {
    List: async ({ id }) => ({ approvals: (id === '' ? await approvals.waiting() : [await approvals.byId(id)]).map(waitingToWire) }),
    Approve: async (word, { peer }) => grantToWire(await approvals.approve(word, brought(peer))),
    Deny: async (word, { peer }) => grantToWire(await approvals.deny(word, checkReason(word.reason), brought(peer))),
    Withdraw: async ({ grantId, approver, signature }, { peer }) => grantToWire(await approvals.withdraw({ id: grantId, approver, signature }, brought(peer))),
    AddPerson: async (person, { peer }) => personToWire(await store.people.put(personFromWire(person), actor(peer))),
    RemovePerson: async ({ name }, { peer }) => {
      await store.people.remove(name, actor(peer))
      return {}
    },
    ListPeople: async () => ({ people: (await store.people.all()).map(personToWire) }),
  }
}

function waitingToWire({ id, grant, step, needed, givenBy, approvers, lapsesAtMs, words }: Waiting): PendingApproval {
  return {
    id,
    grant: grantToWire(grant),
    ...(step === undefined ? {} : { step: { grantId: grant.id, action: step.action, resource: step.resource, description: step.description } }),
    needed,
    givenBy: [...givenBy],
    approvers: [...approvers],
    lapsesAtMs,
    canonical: words,
    hash: createHash('sha256').update(words).digest('hex'),
    namespace: approvalNamespace,
  }
}

/** Names of roles that a person may have. */
const personRoles: readonly string[] = ['read', 'register', 'revoke', 'policy', 'authority', 'root', 'approve']
const maxKeys = 10

function personFromWire({ name = '', sshKeys = [], owners = [], roles = [], requesters = [] }: WirePerson): Omit<Person, 'addedAtMs'> {
  if (sshKeys.length === 0 || sshKeys.length > maxKeys) throw new MayflyError('INVALID_ARGUMENT', `a person has 1 to ${maxKeys} keys`, { hint: 'give --ssh-key with a .pub file' })
  const unknown = roles.find((role) => !personRoles.includes(role))
  if (unknown !== undefined) throw new MayflyError('INVALID_ARGUMENT', `no role ${JSON.stringify(unknown.slice(0, 64))}`, { hint: `roles are ${personRoles.join(', ')}` })
  const keys = sshKeys.map((line) => {
    const { type, blob } = parseAuthorizedKey(line)
    return `${type} ${Buffer.from(blob).toString('base64')}`
  })
  return { name, sshKeys: [...new Set(keys)], owners: [...new Set(owners)].toSorted(), roles: [...new Set(roles)].toSorted(), requesters: [...new Set(requesters)].toSorted() }
}

function personToWire({ name, sshKeys, owners, roles, requesters = [], addedAtMs }: Person): WirePerson {
  return { name, sshKeys: [...sshKeys], owners: [...owners], roles: [...roles], requesters: [...requesters], addedAtMs }
}
