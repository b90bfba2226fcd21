import type { Selector } from '../../src/core/selector.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { containerIn } from './container.ts'
import { inspectContainer } from './docker-api.ts'
import type { ContainerFacts } from './docker-api.ts'
import { noFacts } from './fact-source.ts'
import type { FactSource, FoundFacts, Sighting } from './fact-source.ts'
import type { Processes } from './ports.ts'

export interface DockerConfig {
  /** Of Docker's daemon; unset: its containers are not asked about. */
  readonly dockerSocket: string | undefined
  /** Of Podman's service. */
  readonly podmanSocket: string | undefined
}

export interface DockerDeps {
  readonly clock: Clock
  readonly processes: Pick<Processes, 'cgroupOwners'>
}

const type = 'docker'
const kinds = ['docker:label', 'docker:env', 'docker:image_id', 'docker:image_config_digest'] as const
const maxKept = 1_000
const maxValueChars = 4_096

/**
 * Workload attestor `docker`, with SPIRE's selectors: `label:<name>:<value>`, `env:<NAME=value>`, `image_id`, `image_config_digest`. The container is the one that the kernel says the process is in; the daemon
 * is asked what that is made of, once for each container and only when an entry wants to know. Who may make containers may label them: these are that person's words.
 */
export class Docker implements FactSource {
  readonly types: readonly string[] = [type]
  readonly #config: DockerConfig
  readonly #deps: DockerDeps
  /** By id; the newest last. A promise of a question that is asked now. */
  readonly #known = new Map<string, ContainerFacts | Promise<ContainerFacts>>()

  constructor(config: DockerConfig, deps: DockerDeps) {
    this.#config = config
    this.#deps = deps
  }

  find({ process, needs }: Sighting): FoundFacts | Promise<FoundFacts> {
    if (!kinds.some((kind) => needs.has(kind))) return noFacts
    const seen = containerIn(process, this.#deps.processes)
    if (seen.kind === 'none') return noFacts
    if (seen.kind === 'unclear') return { selectors: [], missing: [{ kind: type, why: seen.why }] }
    const { id, runtime } = seen.container
    const { dockerSocket, podmanSocket } = this.#config
    const socket = runtime === 'podman' ? podmanSocket : dockerSocket
    if (socket === undefined) return { selectors: [], missing: [{ kind: type, why: `the agent has no attest.${runtime === 'podman' ? 'podmanSocket' : 'dockerSocket'} to ask` }] }
    const known = this.#known.get(id) ?? this.#ask(socket, id)
    return known instanceof Promise ? known.then((facts) => selectorsOf(facts, needs)) : selectorsOf(known, needs)
  }

  #ask(socket: string, id: string): Promise<ContainerFacts> {
    const asking = inspectContainer(socket, id, this.#deps.clock).then(
      (facts) => {
        this.#known.set(id, facts)
        return facts
      },
      (error: unknown) => {
        this.#known.delete(id)
        throw error
      },
    )
    this.#known.set(id, asking)
    const [oldest] = this.#known.keys()
    if (this.#known.size > maxKept && oldest !== undefined) this.#known.delete(oldest)
    return asking
  }
}

/** Of the kinds that an entry asks for: an environment may hold secrets, and nobody else has to see it. */
function selectorsOf({ labels, env, image, imageDigest }: ContainerFacts, needs: ReadonlySet<string>): FoundFacts {
  const all = [
    ...Object.entries(labels).map(([name, value]) => ['label', `${name}:${value}`] as const),
    ...env.map((line) => ['env', line] as const),
    ['image_id', image] as const,
    ['image_config_digest', imageDigest] as const,
  ]
  const fit = all.filter(([kind, value]) => value !== '' && value.length <= maxValueChars && needs.has(`${type}:${kind}`))
  return { selectors: fit.map(([kind, value]): Selector => ({ type, value: `${kind}:${value}` })), missing: [] }
}
