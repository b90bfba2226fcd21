import { MayflyError } from '../../../../src/core/errors.ts'
import { formatSerial, parseSerial } from '../../../../src/core/serial.ts'
import type { Read, ReadName } from '../operations.ts'
import { recordOf } from '../../../journal/payload.ts'
import { agentById, countAgents, listAgents } from './agents.ts'
import { listBundles } from './bundles.ts'
import { countCredentials, credentialBySerial, credentialsBySerials, listCredentials } from './credentials.ts'
import { countGrants, decisionsSince, grantSteps, listGrants, liveGrants } from './grants.ts'
import { countEntries, entryById, listEntries } from './entries.ts'

/** Most rows that one call of a log returns. */
const maxLogRows = 100_000

/** Every call of the port that changes nothing and asks only the tables. */
export const reads: { readonly [N in ReadName]: Read<N> } = {
  'entries.byId': entryById,
  'entries.list': listEntries,
  'entries.count': countEntries,
  'agents.byId': agentById,
  'agents.list': listAgents,
  'agents.count': countAgents,
  'credentials.bySerial': credentialBySerial,
  'credentials.bySerials': credentialsBySerials,
  'credentials.list': listCredentials,
  'credentials.count': countCredentials,
  'credentials.uses': (tables, serial, limit) => tables.uses.of(Buffer.from(formatSerial(parseSerial(serial)), 'hex'), bounded(limit)),
  'verifiers.all': (tables) => tables.verifiers.all(),
  'credentials.prunedBefore': (tables) => tables.domain.prunedBeforeMs(),
  'authorities.all': (tables) => tables.authorities.all(),
  'authorities.bundleSequence': (tables) => tables.domain.bundleSequence(),
  'bundles.list': listBundles,
  'recovery.rolledBack': (tables) => tables.domain.rolledBack(),
  'targets.disabled': (tables) => tables.targets.all(),
  'targets.unfinished': (tables) => tables.targets.unfinished(),
  'stream.head': (tables) => tables.stream.readHead(),
  'stream.eventsAfter': (tables, seq, limit) => tables.stream.after(seq, bounded(limit)),
  'stream.load': (tables, fromMinute) => tables.stream.load(fromMinute),
  'grants.byId': (tables, id) => tables.grants.byId(id),
  'grants.asRequested': (tables, id) => tables.grants.asRequested(id),
  'grants.byKey': (tables, hash) => tables.ledger.grantsOfKey(Buffer.from(hash, 'hex')).flatMap((id) => tables.grants.byId(id) ?? []),
  'grants.list': listGrants,
  'grants.count': countGrants,
  'grants.live': liveGrants,
  'grants.steps': grantSteps,
  'grants.decisions': (tables, id) => tables.grants.decisions(id),
  'grants.decisionsSince': decisionsSince,
  'roles.byName': (tables, name) => tables.roles.byName(name),
  'roles.all': (tables) => tables.roles.all(),
  'owners.all': (tables) => tables.owners.shares(),
  'owners.unowned': (tables, limit) => tables.owners.unowned(bounded(limit)),
  'people.byName': (tables, name) => tables.people.byName(name),
  'people.all': (tables) => tables.people.all(),
  'policies.current': (tables) => tables.policies.current(),
  'policies.byHash': (tables, hash) => tables.policies.byHash(hash),
  'policies.history': (tables, limit) => tables.policies.history(bounded(limit)),
  'exceptions.all': (tables) => tables.policies.exceptions(),
  'journal.head': (tables) => tables.journal.head(),
  'journal.from': (tables, seq, limit) => tables.journal.from(seq, bounded(limit)).map((row) => ({ seq: row.seq, kind: row.kind, record: recordOf(row) })),
}

function bounded(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLogRows) throw new MayflyError('INVALID_ARGUMENT', `a limit is 1 to ${maxLogRows}`)
  return limit
}
