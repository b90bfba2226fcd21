import { systemClock } from '../../../src/system/clock.ts'
import { Product } from './product.ts'
import type { AgentProcess } from './product.ts'

const never = new AbortController().signal

/** A server with one agent that has joined it, as processes. */
export class World implements AsyncDisposable {
  readonly product: Product
  readonly agent: AgentProcess

  private constructor(product: Product, agent: AgentProcess) {
    this.product = product
    this.agent = agent
  }

  static async start(): Promise<World> {
    const product = await Product.start()
    try {
      const agent = await product.startAgent()
      const world = new World(product, agent)
      await world.until(async () => (await product.agentIds()).length === 1)
      return world
    } catch (error) {
      await product[Symbol.asyncDispose]()
      throw error
    }
  }

  async create(name: string, { uid, ttlSeconds }: { readonly uid: number; readonly ttlSeconds?: number }): Promise<readonly string[]> {
    const [parentId = ''] = await this.product.agentIds()
    return await this.product.createEntries([{ spiffeId: `spiffe://example.org/${name}`, parentId, selectors: [`unix:uid:${uid}`], ...(ttlSeconds === undefined ? {} : { ttlSeconds }) }])
  }

  /** Asks until it holds. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await systemClock.sleep(20, never)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.product[Symbol.asyncDispose]()
  }
}
