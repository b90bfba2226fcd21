import { decodeFrameBody, openFrame } from '../../src/core/revocation/frame.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'

/** One small file. */
export interface NewestHeadFile {
  /** `undefined` when there is none. */
  read(maxBytes: number): Promise<Uint8Array | undefined>
  write(content: string): Promise<void>
}

export interface NewestHeadDeps {
  readonly file: NewestHeadFile
  readonly trustDomain: TrustDomain
  readonly log: Logger
}

const maxBytes = 65_536

/**
 * The newest heartbeat that this agent's reader took, as it was signed, kept over restarts: shown to the server at each connection, it proves to one whose database was copied back that it
 * signed more than it knows. A file that holds none is passed over: the agent's own memory of the head is another file.
 */
export class NewestHead implements AsyncDisposable {
  readonly #deps: NewestHeadDeps
  #newest: StreamFrame | undefined
  #place: string | undefined
  #saved: string | undefined
  #saving: Promise<void> | undefined

  private constructor(deps: NewestHeadDeps, kept: StreamFrame | undefined) {
    this.#deps = deps
    this.#newest = kept
    this.#saved = this.#place = kept === undefined ? undefined : placeOf(kept)
  }

  static async load(deps: NewestHeadDeps): Promise<NewestHead> {
    const bytes = await deps.file.read(maxBytes)
    return new NewestHead(deps, bytes === undefined ? undefined : parse(new TextDecoder().decode(bytes), deps.trustDomain))
  }

  get newest(): StreamFrame | undefined {
    return this.#newest
  }

  /** A heartbeat was taken. It is written when the head has moved, one write at a time. */
  confirmed(heartbeat: StreamFrame): void {
    this.#newest = heartbeat
    this.#place = placeOf(heartbeat)
    this.#saving ??= this.#save().finally(() => (this.#saving = undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#saving
    await this.#save()
  }

  async #save(): Promise<void> {
    const { file, trustDomain, log } = this.#deps
    while (this.#newest !== undefined && this.#place !== this.#saved) {
      this.#saved = this.#place
      const { frame, signerChain } = this.#newest
      try {
        await file.write(`${JSON.stringify({ trustDomain, frame: base64(frame), signerChain: signerChain.map(base64) })}\n`)
      } catch (error) {
        log.warn({ event: 'revocation.head_unsaved', error: String(error) }, 'the newest signed head of the revocation stream could not be kept')
        return
      }
    }
  }
}

function parse(text: string, wanted: TrustDomain): StreamFrame | undefined {
  try {
    const { trustDomain, frame, signerChain } = JSON.parse(text) as Readonly<Record<string, unknown>> // each is looked at below
    if (trustDomain !== wanted || typeof frame !== 'string' || !Array.isArray(signerChain)) return undefined
    const kept = { frame: Buffer.from(frame, 'base64'), signerChain: signerChain.map((der) => Buffer.from(String(der), 'base64')) }
    return placeOf(kept) === undefined ? undefined : kept
  } catch {
    return undefined // damaged: the next heartbeat takes its place
  }
}

/** Where the stream was by this heartbeat. */
function placeOf({ frame }: StreamFrame): string | undefined {
  const opened = openFrame(frame)
  const head = opened === undefined ? undefined : decodeFrameBody(opened.body)
  return head === undefined ? undefined : `${head.epoch}/${head.seq}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
