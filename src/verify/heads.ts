import { createHash } from 'node:crypto'
import { fromHex, toHex } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import { hashBytes } from '../core/revocation/codec.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'

/** Keeps the highest head of a trust domain's revocation stream over restarts, so that a stream behind it is refused. */
export interface HeadStore {
  /** `undefined` when nothing was kept of this trust domain. */
  load(trustDomain: TrustDomain): Promise<StreamHead | undefined>
  save(head: StreamHead, trustDomain: TrustDomain): Promise<void>
}

/** One small file. */
export interface HeadFile {
  /** `undefined` when there is none. */
  read(maxBytes: number): Promise<Uint8Array | undefined>
  /** Whole or not at all, mode 0600. */
  write(content: string): Promise<void>
}

const maxFileBytes = 4_096

/**
 * A head kept as two equal lines of JSON, each with a hash over what it says, so that a spoilt byte costs nothing. A file that holds no whole one is refused
 * and not passed over, since whoever spoils it could hide a rollback. @throws {MayflyError} CONFIG_INVALID
 */
export function headStoreIn(file: HeadFile): HeadStore {
  return {
    load: async (trustDomain) => {
      const bytes = await file.read(maxFileBytes)
      if (bytes === undefined) return undefined
      const kept = parseHead(new TextDecoder().decode(bytes))
      if (kept === undefined) throw new MayflyError('CONFIG_INVALID', 'the file that keeps the head of the revocation stream holds none', { hint: 'remove it, and a stream that was rolled back is not noticed this once' })
      return kept.trustDomain === trustDomain ? kept.head : undefined
    },
    save: ({ epoch, seq, chainHash }, trustDomain) => {
      const kept = { trustDomain, epoch, seq, chainHash: toHex(chainHash) }
      return file.write(`${JSON.stringify({ ...kept, sha256: hashOf(kept) })}\n`.repeat(2))
    },
  }
}

export interface HeadKeeperDeps {
  readonly heads: HeadStore
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly logger: Logger
  /** The highest head at this moment. */
  readonly highest: () => StreamHead | undefined
}

/** At most one write in so long. */
const everyMs = 1_000

/** Saves the highest head when it has moved: at most once a second, and at the end. A failure is logged and tried again with the next. */
export class HeadKeeper implements AsyncDisposable {
  readonly #deps: HeadKeeperDeps
  readonly #stop = new AbortController()
  #saved: StreamHead | undefined
  #saving: Promise<void> | undefined

  constructor(deps: HeadKeeperDeps) {
    this.#deps = deps
    this.#saved = deps.highest()
  }

  /** The head may have moved. */
  moved(): void {
    this.#saving ??= this.#saveThenRest().finally(() => (this.#saving = undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#saving
    await this.#save()
  }

  async #saveThenRest(): Promise<void> {
    while (!this.#stop.signal.aborted && this.#deps.highest() !== this.#saved) {
      await this.#save()
      await this.#deps.clock.sleep(everyMs, this.#stop.signal).catch(() => undefined) // only aborts
    }
  }

  async #save(): Promise<void> {
    const { heads, trustDomain, logger } = this.#deps
    const head = this.#deps.highest()
    if (head === undefined || head === this.#saved) return
    this.#saved = head
    try {
      await heads.save(head, trustDomain)
    } catch (error) {
      logger.warn({ event: 'revocation.head_unsaved', error: String(error) }, 'the head of the revocation stream could not be kept')
    }
  }
}

interface Kept {
  readonly trustDomain: string
  readonly epoch: number
  readonly seq: number
  readonly chainHash: string
}

function hashOf({ trustDomain, epoch, seq, chainHash }: Kept): string {
  return createHash('sha256').update(`${trustDomain} ${epoch} ${seq} ${chainHash}`).digest('hex')
}

/** The first record that is whole. */
function parseHead(text: string): { readonly trustDomain: string; readonly head: StreamHead } | undefined {
  for (const [record] of text.matchAll(/\{[^{}]*\}/g)) {
    const head = parseRecord(record)
    if (head !== undefined) return head
  }
  return undefined
}

function parseRecord(text: string): { readonly trustDomain: string; readonly head: StreamHead } | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { trustDomain, epoch, seq, chainHash, sha256 } = value as Readonly<Record<string, unknown>> // each is looked at below
  if (typeof trustDomain !== 'string' || !isCount(epoch) || !isCount(seq) || typeof chainHash !== 'string' || sha256 !== hashOf({ trustDomain, epoch, seq, chainHash })) return undefined
  const hash = fromHex(chainHash)
  return hash?.length === hashBytes ? { trustDomain, head: { epoch, seq, chainHash: hash } } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
