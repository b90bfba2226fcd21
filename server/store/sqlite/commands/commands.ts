import type { Command, CommandName } from '../operations.ts'
import { attestAgent, banAgent, createJoinToken, deleteAgent, recordSvid, recordVersion, redeemJoinToken } from './agents.ts'
import { activateAuthority, prepareAuthority, removeAuthority, revokeAuthority, taintAuthority } from './authorities.ts'
import { createBundle, deleteBundle, setBundle, updateBundle } from './bundles.ts'
import { abandonUnreleased, endByAgent, prune, release, reserve, supersede } from './credentials.ts'
import { createEntries, deleteEntries, updateEntries } from './entries.ts'
import { noteRolledBack, restoreDomain } from './recovery.ts'
import { activateGrant, renewGrant } from './grant-issue.ts'
import { endGrant, endGrantsWhere, finishGrants, lapseDue } from './grant-ending.ts'
import { applyPolicy, deleteRole, putException, putRole, removeException } from './grant-terms.ts'
import { leaseSteps, moveGrant, pruneGrants, recordDecision, recordSteps, requestGrant } from './grants.ts'
import { putOwner, removeOwner, transferOwner } from './owners.ts'
import { putPerson, removePerson, spendSignature } from './people.ts'
import { pruneStream } from './stream.ts'
import { closePrefixCommand } from './prefixes.ts'
import { recordUses, registerVerifiers, removeVerifiers } from './verifiers.ts'
import { continueEnd } from './target-ends.ts'
import { continueRotation, disableTarget, enableTarget, endKey, revokeTarget } from './targets.ts'

/** Every call of the port that changes something. */
export const commands: { readonly [N in CommandName]: Command<N> } = {
  'entries.create': createEntries,
  'entries.update': updateEntries,
  'entries.delete': deleteEntries,
  'agents.createJoinToken': createJoinToken,
  'agents.redeemJoinToken': redeemJoinToken,
  'agents.attest': attestAgent,
  'agents.recordSvid': recordSvid,
  'agents.recordVersion': recordVersion,
  'agents.ban': banAgent,
  'agents.delete': deleteAgent,
  'credentials.reserve': reserve,
  'credentials.release': release,
  'credentials.abandonUnreleased': abandonUnreleased,
  'credentials.supersede': supersede,
  'credentials.endByAgent': endByAgent,
  'credentials.prune': prune,
  'stream.prune': pruneStream,
  'recovery.noteRolledBack': noteRolledBack,
  'recovery.restore': restoreDomain,
  'credentials.recordUses': recordUses,
  'verifiers.register': registerVerifiers,
  'verifiers.remove': removeVerifiers,
  'targets.revoke': revokeTarget,
  'targets.continueEnd': continueEnd,
  'targets.continueRotation': continueRotation,
  'targets.endKey': endKey,
  'targets.closePrefix': closePrefixCommand,
  'targets.disable': disableTarget,
  'targets.enable': enableTarget,
  'grants.request': requestGrant,
  'grants.move': moveGrant,
  'grants.activate': activateGrant,
  'grants.renew': renewGrant,
  'grants.lease': leaseSteps,
  'grants.end': endGrant,
  'grants.endWhere': endGrantsWhere,
  'grants.lapseDue': lapseDue,
  'grants.finish': finishGrants,
  'grants.recordSteps': recordSteps,
  'grants.recordDecision': recordDecision,
  'grants.prune': pruneGrants,
  'roles.put': putRole,
  'roles.delete': deleteRole,
  'owners.put': putOwner,
  'owners.transfer': transferOwner,
  'owners.remove': removeOwner,
  'people.put': putPerson,
  'people.remove': removePerson,
  'people.spendSignature': spendSignature,
  'policies.apply': applyPolicy,
  'exceptions.put': putException,
  'exceptions.remove': removeException,
  'bundles.create': createBundle,
  'bundles.update': updateBundle,
  'bundles.set': setBundle,
  'bundles.delete': deleteBundle,
  'authorities.prepare': prepareAuthority,
  'authorities.activate': activateAuthority,
  'authorities.taint': taintAuthority,
  'authorities.revoke': revokeAuthority,
  'authorities.remove': removeAuthority,
}
