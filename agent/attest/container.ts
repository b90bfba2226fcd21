import { containerOf } from '../../src/core/proc/container.ts'
import type { ContainerFinding, ContainerPlace } from '../../src/core/proc/container.ts'
import { remembered } from '../../src/core/remembered.ts'
import type { Selector } from '../../src/core/selector.ts'
import type { FactSource, FoundFacts } from './fact-source.ts'
import { noFacts } from './fact-source.ts'
import type { FileOwner, Processes, ProcessReading } from './ports.ts'

/** Whether the agent can tell in which container a process is. */
export type ContainerSighting = { readonly kind: 'container'; readonly container: ContainerPlace } | { readonly kind: 'none' } | { readonly kind: 'unclear'; readonly why: string }

const types = ['container', 'k8s'] as const
/** Where the runtimes of a host make cgroups of version 1, whose owners are not looked at. */
const legacyRoots: ReadonlySet<string> = new Set(['docker', 'kubepods', 'kubepods.slice', 'kubelet', 'kubelet.slice', 'system.slice', 'machine.slice', 'libpod_parent', 'ecs'])

/**
 * Workload attestor of containers: `container:id`, `container:runtime`, and SPIRE's `k8s:pod-uid`, from the name of the cgroup that the runtime made. It believes a name only in a folder that
 * root alone may write, all the way up: a cgroup that a user makes may be called like any container.
 */
export function containers(processes: Pick<Processes, 'cgroupOwners'>): FactSource {
  return {
    types,
    find({ process }): FoundFacts {
      const seen = containerIn(process, processes)
      if (seen.kind === 'none') return noFacts
      if (seen.kind === 'unclear') return { selectors: [], missing: types.map((kind) => ({ kind, why: seen.why })) }
      const { id, runtime, podUid } = seen.container
      const selectors: Selector[] = [{ type: 'container', value: `id:${id}` }]
      if (runtime !== undefined) selectors.push({ type: 'container', value: `runtime:${runtime}` })
      if (podUid !== undefined) selectors.push({ type: 'k8s', value: `pod-uid:${podUid}` })
      return { selectors, missing: [] }
    },
  }
}

/** The container that a process is in, if its name can be believed. */
export function containerIn(process: Pick<ProcessReading, 'cgroup' | 'controllerCgroups'>, processes: Pick<Processes, 'cgroupOwners'>): ContainerSighting {
  const unified = process.cgroup === undefined ? undefined : findingOf(process.cgroup)
  if (unified?.kind === 'ambiguous') return { kind: 'unclear', why: unified.why }
  if (unified?.kind === 'container') {
    const doubt = doubtOf(processes.cgroupOwners(aboveOf(unified.container.cgroup)))
    return doubt === undefined ? unified : { kind: 'unclear', why: doubt }
  }
  return inLegacy(process.controllerCgroups)
}

/** Version 1: all hierarchies that name a container must name the same one. */
function inLegacy(paths: readonly string[]): ContainerSighting {
  const found = paths.map((path) => ({ path, finding: findingOf(path) })).filter(({ finding }) => finding.kind !== 'none')
  const [first] = found
  if (first === undefined) return { kind: 'none' }
  if (found.some(({ path }) => !legacyRoots.has(path.split('/')[1] ?? ''))) return { kind: 'unclear', why: 'its cgroup (version 1) is not where runtimes of the host make theirs' }
  const names = new Set(found.map(({ finding }) => nameOf(finding)))
  if (names.size > 1 || first.finding.kind !== 'container') return { kind: 'unclear', why: first.finding.kind === 'ambiguous' ? first.finding.why : 'its cgroups (version 1) name different containers' }
  return first.finding
}

const findingOf = remembered(containerOf, 256)

function nameOf(finding: ContainerFinding): string {
  return finding.kind === 'container' ? `${finding.container.id} ${finding.container.podUid ?? ''}` : finding.kind
}

/** Why somebody else than root may have called a cgroup in this folder what it is called; `undefined` when nobody may. */
export function doubtOf(owners: readonly FileOwner[] | undefined): string | undefined {
  if (owners === undefined || owners.length === 0) return 'the agent cannot see whose its cgroup is'
  return owners.every(({ uid, mode }) => uid === 0 && (mode & 0o022) === 0) ? undefined : 'its cgroup is in a folder of a user, who may call it anything'
}

function aboveOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
