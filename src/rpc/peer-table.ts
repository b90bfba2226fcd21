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

  /** Whose connection a call came over; `undefined` once that has closed. */
  find(call: { getPeer(): string }): { readonly peer: Peer } | undefined {
    return this.#entries.get(call.getPeer()) ?? this.#entries.get(keyOfWrapped(call))
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

/**
 * A connection that is no socket of the system's is put by Node into a socket of its own making, and grpc-js sees that one's address. The
 * stream inside has our key. None of this way there is public: `test/rpc/java.test.ts` holds it for the pinned grpc-js.
 */
function keyOfWrapped(call: object): string {
  let at: unknown = call
  for (const step of ['call', 'stream', 'session', 'socket', 'stream', 'remoteAddress']) {
    if (typeof at !== 'object' || at === null) return ''
    at = Reflect.get(at, step)
  }
  return typeof at === 'string' ? at : ''
}
