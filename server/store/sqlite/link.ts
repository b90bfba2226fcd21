import { Worker } from 'node:worker_threads'
import { MayflyError } from '../../../src/core/errors.ts'
import type { Commit, CommittedRecord, Domain } from '../port.ts'
import type { Answer, PlainError, Reply, Request, WorkerOptions } from './messages.ts'
import type { ArgsOf, OperationName, ResultOf } from './operations.ts'
import { recordOf } from '../../journal/payload.ts'
import type { AppendedRecord } from './tables/journal.ts'

/** Bounds of the worker's heap: the tables live in the file, not in it. */
const resourceLimits = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 8 }

/** The main thread's end of the store's worker: calls go out, commits and answers come back, in order. */
export class WorkerLink {
  readonly domain: Domain
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Set<(commit: Commit) => void>()
  readonly #refusalListeners = new Set<(error: MayflyError) => void>()
  readonly #closed: Promise<void>
  readonly #lost = Promise.withResolvers<MayflyError>()
  #lastId = 0
  #dead: unknown

  /** Starts the worker and waits until the file is open. */
  static async start(workerUrl: URL, options: WorkerOptions): Promise<WorkerLink> {
    const worker = new Worker(workerUrl, { workerData: options, name: 'store', resourceLimits })
    // asked for now: a worker that exits at once gives its last message and its exit in one turn, and who asks after the message waits for ever
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    const first = await new Promise<Reply>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.once('exit', (code) => reject(new MayflyError('UNAVAILABLE', `the store's worker exited with ${code} at its start`)))
    })
    if (first.kind === 'opened') return new WorkerLink(worker, first.domain)
    await exited
    throw first.kind === 'failed' ? revive(first.error) : new Error(`the store's worker began with ${first.kind}`)
  }

  private constructor(worker: Worker, domain: Domain) {
    this.#worker = worker
    this.domain = domain
    worker.removeAllListeners('error')
    worker.removeAllListeners('exit')
    worker.on('message', (reply: Reply) => this.#receive(reply))
    worker.on('error', (error) => this.#fail(error))
    this.#closed = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#fail(this.#dead ?? new Error(`it exited with ${code}`))
        resolve()
      })
    })
  }

  call<N extends OperationName>(operation: N, args: ArgsOf<N>): Promise<ResultOf<N>> {
    if (this.#dead !== undefined) return Promise.reject(gone(this.#dead))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      // the worker answers an operation with the result of its type
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#post({ id, operation, args })
    })
  }

  /** Resolves when the worker is gone and was not closed: nothing is written or read any more. */
  get lost(): Promise<MayflyError> {
    return this.#lost.promise
  }

  /** Calls without an answer yet. */
  get waiting(): number {
    return this.#pending.size
  }

  onCommit(listener: (commit: Commit) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  onRefused(listener: (error: MayflyError) => void): Disposable {
    this.#refusalListeners.add(listener)
    return { [Symbol.dispose]: () => void this.#refusalListeners.delete(listener) }
  }

  /** What was called before is answered, then the file is closed. */
  async close(): Promise<void> {
    if (this.#dead === undefined) {
      this.#dead = new Error('the store is closed')
      this.#post({ close: true })
    }
    await this.#closed
  }

  #post(request: Request): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
    this.#worker.postMessage(request)
  }

  #receive(reply: Reply): void {
    if (reply.kind !== 'answers') return
    try {
      if (reply.refused !== undefined) for (const listener of this.#refusalListeners) listener(revive(reply.refused))
      if (reply.records.length > 0) this.#tell({ records: reply.records.map((record) => new LazyRecord(record)), streamEvents: reply.streamEvents })
    } finally {
      for (const answer of reply.answers) this.#settle(answer) // durable, whatever a listener makes of it
    }
  }

  #tell(commit: Commit): void {
    for (const listener of this.#listeners) listener(commit)
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id)
    this.#pending.delete(answer.id)
    if (pending === undefined) return
    if ('error' in answer) pending.reject(revive(answer.error))
    else pending.resolve('json' in answer ? JSON.parse(answer.json) : answer.value)
  }

  #fail(error: unknown): void {
    if (this.#dead === undefined) this.#lost.resolve(new MayflyError('STORE_UNWRITABLE', `the store's worker ended: ${error instanceof Error ? error.message : String(error)}`, { cause: error, hint: 'start the server again: what was acknowledged is in the file' }))
    this.#dead ??= error
    for (const pending of this.#pending.values()) pending.reject(gone(error))
    this.#pending.clear()
  }
}

/** A record whose payload is parsed when it is first looked at: few listeners look at every one. */
class LazyRecord implements CommittedRecord {
  readonly #row: AppendedRecord
  #record: CommittedRecord['record'] | undefined

  constructor(row: AppendedRecord) {
    this.#row = row
  }

  get seq(): number {
    return this.#row.seq
  }

  get kind(): CommittedRecord['record']['kind'] {
    return this.#row.kind
  }

  get record(): CommittedRecord['record'] {
    this.#record ??= recordOf(this.#row)
    return this.#record
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

function revive(error: PlainError): MayflyError {
  const { code, message, hint, details, cause } = error
  const beneath = cause === undefined ? undefined : new Error(cause)
  if (code === undefined) return new MayflyError('INTERNAL', 'the store failed', { cause: beneath ?? message })
  return new MayflyError(code, message, { ...(hint === undefined ? {} : { hint }), details, ...(beneath === undefined ? {} : { cause: beneath }) })
}

function gone(cause: unknown): MayflyError {
  return new MayflyError('STORE_UNWRITABLE', 'the store is closed', { cause })
}
