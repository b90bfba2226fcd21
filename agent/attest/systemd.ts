import { systemdUnitOf } from '../../src/core/proc/unit.ts'
import { remembered } from '../../src/core/remembered.ts'
import type { Selector } from '../../src/core/selector.ts'
import { doubtOf } from './container.ts'
import { noFacts } from './fact-source.ts'
import type { FactSource, FoundFacts } from './fact-source.ts'
import type { Processes } from './ports.ts'

const type = 'systemd'

/**
 * Workload attestor of the system's services: SPIRE's `systemd:id`, and `systemd:invocation_id`, which names one run of the unit. From the cgroup that systemd made, without asking it: a name counts only in
 * a folder that root alone may write. The unit's own cgroup may be delegated to its user: nobody moves a process into it from outside without writing above it. Version 2 only.
 */
export function systemd(processes: Pick<Processes, 'cgroupOwners' | 'unitInvocation'>): FactSource {
  return {
    types: [type],
    find({ process }): FoundFacts {
      if (process.cgroup === undefined) return missing('this host has no cgroups of version 2')
      const place = unitOf(process.cgroup)
      if (place === undefined) return noFacts
      const doubt = doubtOf(processes.cgroupOwners(place.above))
      if (doubt !== undefined) return missing(doubt)
      const selectors: Selector[] = [{ type, value: `id:${place.unit}` }]
      const invocation = processes.unitInvocation(place.unit)
      if (invocation === undefined) return { selectors, missing: [{ kind: `${type}:invocation_id`, why: 'systemd does not say that this unit runs' }] }
      return { selectors: [...selectors, { type, value: `invocation_id:${invocation}` }], missing: [] }
    },
  }
}

const unitOf = remembered(systemdUnitOf, 256)

function missing(why: string): FoundFacts {
  return { selectors: [], missing: [{ kind: type, why }] }
}
