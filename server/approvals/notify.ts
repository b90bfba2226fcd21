import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'

export interface NotifyConfig {
  /** Gets a POST with JSON; unset: nothing is posted. */
  readonly webhook: string | undefined
  /** A command and its arguments that gets the same JSON on its standard input; empty: none is run. */
  readonly command: readonly string[]
}

export interface NotifyDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Posts JSON; rejects when it was not taken. */
  readonly post: (url: string, body: string, signal: AbortSignal) => Promise<void>
  /** Runs a command to its end with this input and resolves with its exit code. */
  readonly run: (argv: readonly string[], limitMs: number, signal: AbortSignal, input: string) => Promise<number>
}

/** What people are told; fields as docs/grants.md lists them. */
export interface Notice {
  readonly event: 'approval.wanted'
  /** Of the grant or of the step. */
  readonly id: string
  readonly grant: string
  readonly spiffe_id: string
  readonly role: string
  readonly owner: string
  readonly requester: string
  readonly actions: readonly string[]
  readonly resources: readonly string[]
  readonly reason: string
  readonly ticket: string
  readonly approvers: readonly string[]
  readonly lapses_at: string
  readonly how: string
}

const maxQueued = 1_000
const attemptGapsMs = [1_000, 5_000, 30_000]
const limitMs = 10_000

/** Tells people that something waits for them: each notice three more times after a failure, one after the other, never in the way of the request itself. */
export class Notifications implements AsyncDisposable {
  readonly #config: NotifyConfig
  readonly #deps: NotifyDeps
  readonly #queue: string[] = []
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(config: NotifyConfig, deps: NotifyDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** Queues a notice; one too many is dropped and logged. */
  send(notice: Notice): void {
    if (this.#config.webhook === undefined && this.#config.command.length === 0) return
    if (this.#queue.length >= maxQueued) {
      this.#deps.log.warn({ event: 'approval.notice_dropped', id: notice.id }, 'too many notices wait: this one is dropped')
      return
    }
    this.#queue.push(JSON.stringify(notice))
    this.#running ??= this.#drain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('stopping'))
    await this.#running
  }

  async #drain(): Promise<void> {
    for (let body = this.#queue.shift(); body !== undefined && !this.#stop.signal.aborted; body = this.#queue.shift()) await this.#deliver(body)
    this.#running = undefined
  }

  async #deliver(body: string): Promise<void> {
    const { webhook, command } = this.#config
    const { post, run } = this.#deps
    if (webhook !== undefined) await this.#try('webhook', async (signal) => await this.#within(async (limited) => await post(webhook, body, limited), signal))
    if (command.length > 0) {
      await this.#try('command', async (signal) => {
        const code = await run(command, limitMs, signal, `${body}\n`)
        if (code !== 0) throw new Error(`it exited with ${code}`)
      })
    }
  }

  async #within(work: (signal: AbortSignal) => Promise<void>, outer: AbortSignal): Promise<void> {
    const done = new AbortController()
    const late = new AbortController()
    this.#deps.clock.sleep(limitMs, AbortSignal.any([done.signal, outer])).then(() => late.abort(new Error('no answer in time')), () => undefined) // it is over before
    try {
      await work(AbortSignal.any([late.signal, outer]))
    } finally {
      done.abort()
    }
  }

  async #try(way: 'webhook' | 'command', deliver: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { clock, log } = this.#deps
    const { signal } = this.#stop
    for (const gapMs of [0, ...attemptGapsMs]) {
      try {
        if (gapMs > 0) await clock.sleep(gapMs, signal)
        await deliver(signal)
        return
      } catch (error) {
        if (signal.aborted) return
        log.warn({ event: 'approval.notice_failed', way, error: String(error) }, 'people could not be told that something waits for them')
      }
    }
  }
}

/** Posts JSON; a redirect is not followed, and anything but a 2xx is a failure. */
export async function postJson(url: string, body: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' }, redirect: 'error', signal })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`it answered ${answer.status}`)
}
