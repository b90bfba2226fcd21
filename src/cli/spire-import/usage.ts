import { formatSelector } from '../../core/selector.ts'
import type { SpireAgent, SpireEntry } from './registry.ts'

/** Why nobody can have had an SVID of an entry at SPIRE. */
export type UnusedWhy = 'expired' | 'agent_unknown' | 'agent_expired' | 'agent_banned' | 'alias_unmatched' | 'parent_unreached'

export interface Unused {
  readonly why: UnusedWhy
  readonly text: string
}

/**
 * Which entries some agent of SPIRE's serves: those below the ID of an agent that is alive and below the node aliases that one
 * matches, at any depth, as SPIRE decides it.
 */
export class SpireUsage {
  readonly #agents: ReadonlyMap<string, SpireAgent>
  readonly #aliases: ReadonlySet<string>
  readonly #reached: ReadonlySet<string>
  readonly #nowSeconds: number

  /** @param serverId parent of node aliases */
  constructor(entries: readonly SpireEntry[], agents: readonly SpireAgent[], serverId: string, nowSeconds: number) {
    this.#nowSeconds = nowSeconds
    this.#agents = new Map(agents.map((agent) => [agent.id, agent]))
    const alive = agents.filter((agent) => this.#agentProblem(agent.id) === undefined)
    const bySelector = new Map<string, Set<SpireAgent>>()
    for (const agent of alive) {
      for (const selector of [`spiffe_id:${agent.id}`, ...agent.selectors.map(formatSelector)]) {
        const those = bySelector.get(selector)
        if (those === undefined) bySelector.set(selector, new Set([agent]))
        else those.add(agent)
      }
    }
    const children = new Map<string, SpireEntry[]>()
    for (const entry of entries) {
      if (this.#isExpired(entry)) continue
      const siblings = children.get(entry.parentId)
      if (siblings === undefined) children.set(entry.parentId, [entry])
      else siblings.push(entry)
    }
    const nodes = children.get(serverId) ?? []
    this.#aliases = new Set(nodes.map(({ spiffeId }) => spiffeId))
    const reached = new Set(alive.map(({ id }) => id))
    for (const { spiffeId, selectors } of nodes) {
      const [first, ...rest] = selectors.map((selector) => bySelector.get(formatSelector(selector)))
      if (first !== undefined && [...first].some((agent) => rest.every((those) => those?.has(agent) === true))) reached.add(spiffeId)
    }
    // A set takes what is added while it is walked.
    for (const id of reached) for (const { spiffeId } of id === serverId ? [] : (children.get(id) ?? [])) reached.add(spiffeId)
    this.#reached = reached
  }

  /** `undefined` for one that may be in use. */
  unused(entry: SpireEntry, serverId: string): Unused | undefined {
    if (this.#isExpired(entry)) return { why: 'expired', text: `it expired on ${new Date(entry.expiresAtSeconds * 1_000).toISOString().slice(0, 10)}` }
    const { parentId } = entry
    if (parentId === serverId) return this.#reached.has(entry.spiffeId) ? undefined : { why: 'alias_unmatched', text: 'no agent that is alive has the selectors of this node alias' }
    if (this.#reached.has(parentId)) return undefined
    const problem = isAgentPath(parentId) ? this.#agentProblem(parentId) : undefined
    if (problem !== undefined) return problem
    return this.#aliases.has(parentId) ? { why: 'alias_unmatched', text: `no agent that is alive has the selectors of its parent ${parentId}` } : { why: 'parent_unreached', text: `nobody is served its parent ${parentId}` }
  }

  #isExpired({ expiresAtSeconds }: SpireEntry): boolean {
    return expiresAtSeconds !== 0 && expiresAtSeconds <= this.#nowSeconds
  }

  #agentProblem(id: string): Unused | undefined {
    const agent = this.#agents.get(id)
    if (agent === undefined) return { why: 'agent_unknown', text: `its agent ${id} does not exist any more, or never came` }
    if (agent.banned) return { why: 'agent_banned', text: `its agent ${id} is banned` }
    if (agent.expiresAtSeconds <= this.#nowSeconds) return { why: 'agent_expired', text: `its agent ${id} has been gone since ${new Date(agent.expiresAtSeconds * 1_000).toISOString().slice(0, 10)}` }
    return undefined
  }
}

/** By its form: it may be no valid SPIFFE ID. */
export function isAgentPath(id: string): boolean {
  return /^spiffe:\/\/[^/]+\/spire\/agent\/./.test(id)
}
