import { watchSvids, type FetchedSvid } from '../../../src/cli/svids.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'

/** The identities of one workload, as an open stream to its agent brings them; opened again whenever it ends. */
export class Held implements AsyncDisposable {
  /** SVIDs that took the place of another of the same ID. */
  rotations = 0
  /** Identities that the agent took back, and `denied` for each time that it had none at all. */
  readonly lost: string[] = []
  readonly #stop = new AbortController()
  readonly #channel: RpcChannel
  readonly #following: Promise<void>
  #svids: ReadonlyMap<string, FetchedSvid> = new Map()
  readonly #waiting = new Set<() => void>()

  constructor(socket: string) {
    this.#channel = RpcChannel.connectUnix(socket, { clock: systemClock })
    this.#following = this.#follow()
  }

  /** By SPIFFE ID. */
  get svids(): ReadonlyMap<string, FetchedSvid> {
    return this.#svids
  }

  /** What `found` gives, once it gives something. @throws when `signal` aborts first */
  async until<T>(found: (svids: ReadonlyMap<string, FetchedSvid>) => T | undefined, signal: AbortSignal): Promise<T> {
    for (;;) {
      const value = found(this.#svids)
      if (value !== undefined) return value
      signal.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      const wake = (): void => resolve()
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
      await promise
      this.#waiting.delete(wake)
      signal.removeEventListener('abort', wake)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#following
    this.#channel.close()
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        for await (const svids of watchSvids(this.#channel, signal)) {
          const next = new Map(svids.map((svid) => [svid.spiffeId, svid]))
          for (const id of this.#svids.keys()) if (!next.has(id)) this.lost.push(id)
          for (const [id, { serial }] of next) if ((this.#svids.get(id)?.serial ?? serial) !== serial) this.rotations++
          this.#svids = next
          for (const wake of this.#waiting) wake()
        }
      } catch (error) {
        if (error instanceof MayflyError && error.status === 'PERMISSION_DENIED') this.lost.push('denied')
        await systemClock.sleep(100, signal).catch(() => undefined) // the agent is away, or has nothing for us
      }
    }
  }
}
