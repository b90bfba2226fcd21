import type { Duplex } from 'node:stream'

/**
 * Which peer is at the other end of each injected connection. grpc-js tells a handler nothing of its connection but the
 * `remoteAddress` of the socket: so the socket gets a key of ours as its remote address before it is injected.
 */
export class PeerTable<Peer> {
  readonly #entries = new Map<string, { readonly peer: Peer; readonly socket: Duplex }>()
  readonly #maxConnections: number
  #count = 0
  #whenEmpty: (() => void)[] = []

  constructor(maxConnections: number) {
    this.#maxConnections = maxConnections
  }

  get size(): number {
    return this.#entries.size
  }

  /** Marks the socket with its peer; false when there are as many connections as allowed, or the socket is closed already. */
  admit(socket: Duplex, peer: Peer): boolean {
    if (this.#entries.size >= this.#maxConnections || socket.destroyed) return false
    const key = `mayfly-connection-${++this.#count}`
    Object.defineProperties(socket, { remoteAddress: { value: key }, remotePort: { value: undefined } })
    this.#entries.set(key, { peer, socket })
    socket.once('close', () => this.#remove(key))
    // A peer that resets its connection is no event of ours; the 'close' that follows is.
    socket.on('error', () => undefined)
    return true
  }

  /** @param key what grpc-js gives as the peer of a call */
  find(key: string): { readonly peer: Peer } | undefined {
    return this.#entries.get(key)
  }

  destroyWhere(choose: (peer: Peer) => boolean): number {
    const chosen = [...this.#entries.values()].filter((entry) => choose(entry.peer))
    for (const { socket } of chosen) socket.destroy()
    return chosen.length
  }

  /** Resolves once no connection is left. */
  async empty(): Promise<void> {
    if (this.#entries.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }

  #remove(key: string): void {
    this.#entries.delete(key)
    if (this.#entries.size > 0) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}
