import type { Call, Handlers } from './handlers.ts'
import { MayflyError } from '../core/errors.ts'

export type ServingStatus = 'SERVING' | 'NOT_SERVING'

export const healthService = 'grpc.health.v1.Health'

/** gRPC health checking. The empty service name is the server as a whole. */
export class Health {
  readonly #statuses = new Map<string, ServingStatus>([['', 'SERVING']])
  readonly #watchers = new Set<() => void>()

  set(service: string, status: ServingStatus): void {
    if (this.#statuses.get(service) === status) return
    this.#statuses.set(service, status)
    for (const wake of this.#watchers) wake()
  }

  /** Nothing is served any more. */
  shutDown(): void {
    for (const service of this.#statuses.keys()) this.set(service, 'NOT_SERVING')
  }

  readonly handlers: Handlers<typeof healthService, unknown> = {
    Check: async ({ service }) => {
      const status = this.#statuses.get(service)
      if (status === undefined) throw new MayflyError('NOT_FOUND', 'unknown service')
      return { status }
    },
    List: async () => ({ statuses: Object.fromEntries([...this.#statuses].map(([service, status]) => [service, { status }])) }),
    Watch: ({ service }, call) => this.#watch(service, call),
  }

  async *#watch(service: string, call: Call<unknown>): AsyncGenerator<{ status: ServingStatus | 'SERVICE_UNKNOWN' }, void, undefined> {
    let last: string | undefined
    while (!call.signal.aborted) {
      const status = this.#statuses.get(service) ?? 'SERVICE_UNKNOWN'
      if (status !== last) yield { status }
      last = status
      if ((this.#statuses.get(service) ?? 'SERVICE_UNKNOWN') === last) await this.#change(call.signal)
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#watchers.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#watchers.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
