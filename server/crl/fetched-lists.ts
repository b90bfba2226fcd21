import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { encodePem } from '../../src/x509/pem.ts'
import { listsIn, maxListBytes } from '../ca/upstream/lists.ts'

export interface FetchedListsConfig {
  /** `http://` or `https://`. */
  readonly url: string
  /** Keeps the last good answer for a start without the network. */
  readonly file: string
}

export interface FetchedListsDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly files: {
    writeFileAtomic(path: string, content: Uint8Array | string, mode: number): Promise<void>
    readFileBounded(path: string, maxBytes: number): Promise<Uint8Array | undefined>
  }
  /** Throws when these lists would not do, or are older than those before them. @param before none at first */
  readonly check: (lists: readonly Uint8Array[], before: readonly Uint8Array[]) => void
}

const refetchMs = 600_000
const retryMs = 30_000
const answerLimitMs = 10_000

/**
 * Lists of the authorities above, fetched from where they are published: again every ten minutes, with nothing sent when nothing is new, at most 16 MiB in ten seconds, no redirect followed. What is no good, or older than
 * what there is, changes nothing, and is told of; the last good answer outlives a restart.
 */
export class FetchedLists implements AsyncDisposable {
  readonly #config: FetchedListsConfig
  readonly #deps: FetchedListsDeps
  readonly #stop = new AbortController()
  readonly #listeners = new Set<() => void>()
  #lists: readonly Uint8Array[] = []
  /** As the server named that answer; asked for again only if it is another. */
  #etag: string | undefined
  #lastModified: string | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(config: FetchedListsConfig, deps: FetchedListsDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** Resolves once there are lists that do. @throws {MayflyError} UPSTREAM_CRL_MISSING when there are none, at the address or of before */
  static async start(config: FetchedListsConfig, deps: FetchedListsDeps): Promise<FetchedLists> {
    const fetched = new FetchedLists(config, deps)
    const failure = await fetched.#fetch().then(() => undefined, (error: unknown) => error)
    if (failure !== undefined && !(await fetched.#useKept())) throw failure
    if (failure !== undefined) fetched.#warn(failure)
    fetched.#running = fetched.#run(failure === undefined ? refetchMs : retryMs)
    return fetched
  }

  async lists(): Promise<readonly Uint8Array[]> {
    return this.#lists
  }

  /** Called when they are others; it must not throw. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(firstMs: number): Promise<void> {
    const { signal } = this.#stop
    let pauseMs = firstMs
    while (!signal.aborted) {
      await this.#deps.clock.sleep(pauseMs, signal).catch(() => undefined) // only aborts
      if (signal.aborted) return
      try {
        pauseMs = refetchMs
        if (await this.#fetch()) for (const listener of this.#listeners) listener()
      } catch (error) {
        if (signal.aborted) return
        pauseMs = retryMs
        this.#warn(error)
      }
    }
  }

  /** Whether there are others now. @throws {MayflyError} UPSTREAM_CRL_MISSING */
  async #fetch(): Promise<boolean> {
    const { clock, files, check } = this.#deps
    const { url, file } = this.#config
    const over = new AbortController()
    const timer = clock.sleep(answerLimitMs, over.signal).then(() => over.abort(unfetched(url, `no answer within ${answerLimitMs} ms`)), () => undefined) // only aborts
    try {
      const answer = await this.#ask(AbortSignal.any([over.signal, this.#stop.signal]))
      if (answer === undefined) return false
      const lists = listsIn(answer.body, url)
      check(lists, this.#lists)
      await files.writeFileAtomic(file, pemOf(lists), 0o600)
      this.#lists = lists
      this.#etag = answer.etag
      this.#lastModified = answer.lastModified
      return true
    } finally {
      over.abort()
      await timer
    }
  }

  /** The answer; `undefined` when nothing is new. */
  async #ask(signal: AbortSignal): Promise<{ readonly body: Uint8Array; readonly etag: string | undefined; readonly lastModified: string | undefined } | undefined> {
    const { url } = this.#config
    try {
      const headers = { accept: 'application/pkix-crl, application/x-pem-file', ...(this.#etag === undefined ? {} : { 'if-none-match': this.#etag }), ...(this.#lastModified === undefined ? {} : { 'if-modified-since': this.#lastModified }) }
      const answer = await fetch(url, { headers, redirect: 'manual', signal })
      if (answer.status === 304 && this.#lists.length > 0) return undefined
      if (answer.status !== 200) {
        await answer.body?.cancel()
        throw unfetched(url, `it answered ${answer.status}${answer.status >= 300 && answer.status < 400 ? ', and redirects are not followed' : ''}`)
      }
      const parts: Uint8Array[] = []
      let bytes = 0
      for await (const part of answer.body ?? []) {
        bytes += part.length
        if (bytes > maxListBytes) throw unfetched(url, `it answered more than ${maxListBytes} bytes`)
        parts.push(part)
      }
      return { body: Buffer.concat(parts), etag: answer.headers.get('etag') ?? undefined, lastModified: answer.headers.get('last-modified') ?? undefined }
    } catch (error) {
      if (error instanceof MayflyError) throw error
      if (signal.reason instanceof MayflyError) throw signal.reason
      throw unfetched(url, error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error), error)
    }
  }

  async #useKept(): Promise<boolean> {
    const { files, check } = this.#deps
    const { file } = this.#config
    try {
      const bytes = await files.readFileBounded(file, maxListBytes * 2)
      if (bytes === undefined) return false
      const lists = listsIn(bytes, file)
      check(lists, [])
      this.#lists = lists
      return true
    } catch {
      return false // what the fetch failed with is what is told
    }
  }

  #warn(error: unknown): void {
    this.#deps.log.warn({ event: 'upstream.lists_unfetched', url: this.#config.url, error }, 'the lists of the authorities above could not be fetched; the ones before stay, it is tried again')
  }
}

function pemOf(lists: readonly Uint8Array[]): string {
  return lists.map((der) => encodePem('X509 CRL', der)).join('')
}

function unfetched(url: string, why: string, cause?: unknown): MayflyError {
  return new MayflyError('UPSTREAM_CRL_MISSING', `ca.upstream.crlPath: ${url}: ${why}`, { ...(cause === undefined ? {} : { cause }), hint: 'is that address where the authority above publishes its list? a file does as well' })
}
