import type { Store } from '../port.ts'
import type { WorkerLink } from './link.ts'

/** The areas of the port that are about grants and what they stand on. */
export function grantAreas(link: WorkerLink): Pick<Store, 'grants' | 'roles' | 'owners' | 'people' | 'policies' | 'exceptions'> {
  return {
    grants: {
      request: (...args) => link.call('grants.request', args),
      move: (...args) => link.call('grants.move', args),
      activate: (...args) => link.call('grants.activate', args),
      renew: (...args) => link.call('grants.renew', args),
      lease: (...args) => link.call('grants.lease', args),
      end: (...args) => link.call('grants.end', args),
      endWhere: (...args) => link.call('grants.endWhere', args),
      lapseDue: (...args) => link.call('grants.lapseDue', args),
      finish: (...args) => link.call('grants.finish', args),
      recordSteps: (...args) => link.call('grants.recordSteps', args),
      recordDecision: (...args) => link.call('grants.recordDecision', args),
      byId: (...args) => link.call('grants.byId', args),
      asRequested: (...args) => link.call('grants.asRequested', args),
      byKey: (...args) => link.call('grants.byKey', args),
      list: (...args) => link.call('grants.list', args),
      count: (...args) => link.call('grants.count', args),
      live: (...args) => link.call('grants.live', args),
      steps: (...args) => link.call('grants.steps', args),
      decisions: (...args) => link.call('grants.decisions', args),
      decisionsSince: (...args) => link.call('grants.decisionsSince', args),
      prune: (...args) => link.call('grants.prune', args),
    },
    roles: {
      put: (...args) => link.call('roles.put', args),
      delete: (...args) => link.call('roles.delete', args),
      byName: (...args) => link.call('roles.byName', args),
      all: () => link.call('roles.all', []),
    },
    owners: {
      put: (...args) => link.call('owners.put', args),
      all: () => link.call('owners.all', []),
      unowned: (...args) => link.call('owners.unowned', args),
      transfer: (...args) => link.call('owners.transfer', args),
      remove: (...args) => link.call('owners.remove', args),
    },
    people: {
      put: (...args) => link.call('people.put', args),
      remove: (...args) => link.call('people.remove', args),
      byName: (...args) => link.call('people.byName', args),
      all: () => link.call('people.all', []),
      spendSignature: (...args) => link.call('people.spendSignature', args),
    },
    policies: {
      apply: (...args) => link.call('policies.apply', args),
      current: () => link.call('policies.current', []),
      byHash: (...args) => link.call('policies.byHash', args),
      history: (...args) => link.call('policies.history', args),
    },
    exceptions: {
      put: (...args) => link.call('exceptions.put', args),
      remove: (...args) => link.call('exceptions.remove', args),
      all: () => link.call('exceptions.all', []),
    },
  }
}
