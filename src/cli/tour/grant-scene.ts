import type { RpcChannel } from '../../rpc/channel.ts'
import type { Door, Loot } from './rogue.ts'

/** What the attackers of grants have before them: a server, an agent with its Workload API, and an agent that was taken over. */
export interface GrantScene {
  readonly folder: string
  readonly server: RpcChannel
  readonly parentId: string
  readonly workloadSocket: string
  readonly door: Door
  readonly rogue: Loot
  /** What the agent that was taken over says of the processes that ask there. */
  readonly rogueSelector: string
}
