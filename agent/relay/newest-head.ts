import { headSaidBy } from '../../src/core/revocation/said-head.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'

/** One small file. */
export interface NewestHeadFile {
  /** `undefined` when there is none. */
  read(maxBytes: number): Promise<Uint8Array | undefined>
  write(content: string): Promise<void>
}

export interface NewestHeadDeps {
  readonly file: NewestHeadFile
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Logger
}

const maxBytes = 4_194_304
/** At most one write in so long. */
const everyMs = 1_000

/**
 * The newest batch or heartbeat that this agent's reader took, as it was signed, kept over restarts: shown to the server at each connection, it proves to one whose database was copied back
 * that it signed more than it knows. A file that holds none is passed over: the agent's own memory of the head is another file.
 */
export class NewestHead implements AsyncDisposable {
  readonly #deps: NewestHeadDeps
  readonly #stop = new AbortController()
  #newest: StreamFrame | undefined
  #saved: string | undefined
  #saving: Promise<void> | undefined

  private constructor(deps: NewestHeadDeps, kept: StreamFrame | undefined) {
    this.#deps = deps
    this.#newest = kept
    this.#saved = kept === undefined ? undefined : placeOf(kept)
  }

  static async load(deps: NewestHeadDeps): Promise<NewestHead> {
    const bytes = await deps.file.read(maxBytes)
    return new NewestHead(deps, bytes === undefined ? undefined : parse(new TextDecoder().decode(bytes), deps.trustDomain))
  }

  get newest(): StreamFrame | undefined {
    return this.#newest
  }

  /** A frame was taken. It is written when the head has moved by it. */
  took(frame: StreamFrame): void {
    this.#newest = frame
    this.#saving ??= this.#saveThenRest().finally(() => (this.#saving = undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#saving
    await this.#save()
  }

  async #saveThenRest(): Promise<void> {
    while (!this.#stop.signal.aborted && (await this.#save())) await this.#deps.clock.sleep(everyMs, this.#stop.signal).catch(() => undefined) // only aborts
  }

  /** Whether there was anything to save. */
  async #save(): Promise<boolean> {
    const { file, trustDomain, log } = this.#deps
    const newest = this.#newest
    const place = newest === undefined ? undefined : placeOf(newest)
    if (newest === undefined || place === this.#saved) return false
    this.#saved = place
    try {
      await file.write(`${JSON.stringify({ trustDomain, frame: base64(newest.frame), signerChain: newest.signerChain.map(base64) })}\n`)
    } catch (error) {
      log.warn({ event: 'revocation.head_unsaved', error: String(error) }, 'the newest signed head of the revocation stream could not be kept')
    }
    return true
  }
}

function parse(text: string, wanted: TrustDomain): StreamFrame | undefined {
  try {
    const { trustDomain, frame, signerChain } = JSON.parse(text) as Readonly<Record<string, unknown>> // each is looked at below
    if (trustDomain !== wanted || typeof frame !== 'string' || !Array.isArray(signerChain)) return undefined
    const kept = { frame: Buffer.from(frame, 'base64'), signerChain: signerChain.map((der) => Buffer.from(String(der), 'base64')) }
    return placeOf(kept) === undefined ? undefined : kept
  } catch {
    return undefined // damaged: the next frame takes its place
  }
}

/** Where the stream was by this frame. */
function placeOf({ frame }: StreamFrame): string | undefined {
  const head = headSaidBy(frame, sha256)
  return head === undefined ? undefined : `${head.epoch}/${head.seq}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
