import { MayflyError } from '../../core/errors.ts'
import { parseSelector } from '../../core/selector.ts'
import { isAgentId, parseSpiffeId, serverIdOf, trustDomainOf } from '../../core/spiffe-id.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { agentToJson } from '../agents.ts'
import type { AgentJson } from '../agents.ts'
import { entryToJson } from '../entries.ts'
import type { EntryJson } from '../entries.ts'
import { idToWire } from '../ids.ts'
import { whenText } from '../when.ts'
import type { Obstacle } from './obstacle.ts'

/** Why no agent that is alive serves an entry. Nothing when one does: the agent that is its parent, or one that has the name of a node which its parent is, however many names stand between. */
export async function nodeObstacles(entry: Pick<EntryJson, 'parentId' | 'selectors'>, server: RpcChannel, nowMs: number, signal: AbortSignal): Promise<readonly Obstacle[]> {
  return await new Climb(server, nowMs, signal).from(entry)
}

const own = 'spiffe_id:'

/** Up from an entry to the agents that are served it. Each name is looked at once. */
class Climb {
  readonly #server: RpcChannel
  readonly #nowMs: number
  readonly #signal: AbortSignal
  readonly #above = new Map<string, readonly Obstacle[]>()

  constructor(server: RpcChannel, nowMs: number, signal: AbortSignal) {
    this.#server = server
    this.#nowMs = nowMs
    this.#signal = signal
  }

  async from({ parentId, selectors }: Pick<EntryJson, 'parentId' | 'selectors'>): Promise<readonly Obstacle[]> {
    const parent = parseSpiffeId(parentId)
    if (parent === serverIdOf(trustDomainOf(parent))) return await this.#shown(selectors)
    if (isAgentId(parent)) return await this.#agent(parent)
    return await this.#named(parent)
  }

  /** Below the server: of agents that show these selectors. What an agent is called is no fact of its record, but it shows it. */
  async #shown(selectors: readonly string[]): Promise<readonly Obstacle[]> {
    const [named] = selectors.flatMap((text) => (text.startsWith(own) ? [text.slice(own.length)] : []))
    if (named !== undefined) return await this.#agent(named)
    const match = { selectors: selectors.map((text) => ({ ...parseSelector(text) })), match: 'MATCH_SUPERSET' as const }
    const { agents } = await this.#server.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { filter: { bySelectorMatch: match, byBanned: { value: false } }, pageSize: 100 }, { signal: this.#signal })
    if (agents.some((agent) => this.#alive(agentToJson(agent)))) return []
    return [{ what: `no agent that is alive shows ${selectors.join(' ')}`, mend: 'mayfly agent list; mayfly agent show <id> says what each shows' }]
  }

  async #agent(id: string): Promise<readonly Obstacle[]> {
    const agent = await this.#agentOf(id)
    if (agent === undefined) return [{ what: `no agent ${id} has joined`, mend: 'mayfly token create, then mayfly entry update <entry> --parent <agent>' }]
    if (agent.banned) return [{ what: `its agent ${id} is banned`, mend: `mayfly agent evict ${id}, then mayfly token create` }]
    if (!this.#alive(agent)) return [{ what: `the SVID of its agent ${id} ended ${whenText(Date.parse(agent.expiresAt), this.#nowMs)}`, mend: 'mayfly token create, then mayfly agent run --join-file FILE on that node' }]
    return []
  }

  /** The entries that give this name to nodes: one of them is enough. */
  async #named(name: string): Promise<readonly Obstacle[]> {
    const known = this.#above.get(name)
    if (known !== undefined) return known
    this.#above.set(name, [{ what: `the names above it lead back to ${name}`, mend: `mayfly entry list --id ${name}` }])
    const obstacles = await this.#aboveName(name)
    this.#above.set(name, obstacles)
    return obstacles
  }

  async #aboveName(name: string): Promise<readonly Obstacle[]> {
    const { entries } = await this.#server.unary('mayfly.v1.Registry', 'ListEntries', { filter: { spiffeId: { value: name } }, pageSize: 100 }, { signal: this.#signal })
    if (entries.length === 0) return [{ what: `no node is called ${name}`, mend: `mayfly token create --id ${name}, for an agent that joins by that name` }]
    const obstacles: Obstacle[] = []
    for (const entry of entries) {
      const above = await this.from(entryToJson(entry))
      if (above.length === 0) return []
      obstacles.push(...above)
    }
    return obstacles
  }

  async #agentOf(id: string): Promise<AgentJson | undefined> {
    try {
      return agentToJson(await this.#server.unary('spire.api.server.agent.v1.Agent', 'GetAgent', { id: idToWire(parseSpiffeId(id)) }, { signal: this.#signal }))
    } catch (error) {
      if (error instanceof MayflyError && error.status === 'NOT_FOUND') return undefined
      throw error
    }
  }

  #alive({ banned, expiresAt }: AgentJson): boolean {
    return !banned && Date.parse(expiresAt) >= this.#nowMs
  }
}
