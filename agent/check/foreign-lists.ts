import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { decodePems } from '../../src/x509/pem.ts'
import { SignedCrl } from '../../src/x509/signed-crl.ts'

export interface ForeignListsDeps {
  readonly clock: Clock
  readonly log: Logger
  /** `undefined` when there is no such file. */
  readBytes(path: string, maxBytes: number): Promise<Uint8Array | undefined>
  /** Of the trust domain, DER, as its bundle says now; the same array until it is another. */
  readonly authorities: () => readonly Uint8Array[]
}

/** Read and verified on the agent's own thread: some 25,000 entries take a tenth of a second, once for each new file. */
const maxFileBytes = 1_048_576
const rereadMs = 10_000
/** While there is no bundle to verify them by: an agent that starts has it in a moment. */
const bundleLookMs = 250
const looksBeforeSaid = rereadMs / bundleLookMs

/**
 * The lists of another trust domain's authorities, from a file that somebody else keeps current (PEM of one or several, or DER): read again every ten seconds, and
 * verified when it is another or the bundle is. A file that cannot be relied on changes nothing: the lists before stay, until their time is over.
 */
export class ForeignLists implements AsyncDisposable {
  readonly #trustDomain: TrustDomain
  readonly #file: string
  readonly #deps: ForeignListsDeps
  readonly #stop = new AbortController()
  #current: readonly SignedCrl[] = []
  #read: { readonly bytes: Uint8Array; readonly authorities: readonly Uint8Array[] } | undefined
  #said = ''
  #looksWithout = 0
  #rereading: Promise<void> = Promise.resolve()

  private constructor(trustDomain: TrustDomain, file: string, deps: ForeignListsDeps) {
    this.#trustDomain = trustDomain
    this.#file = file
    this.#deps = deps
  }

  /** Resolves after the first look, whatever that brought. */
  static async start(trustDomain: TrustDomain, file: string, deps: ForeignListsDeps): Promise<ForeignLists> {
    const lists = new ForeignLists(trustDomain, file, deps)
    await lists.#look()
    lists.#rereading = lists.#reread()
    return lists
  }

  get current(): readonly SignedCrl[] {
    return this.#current
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#rereading
  }

  /** Nobody goes back to a list that was before. */
  #newer(list: SignedCrl): SignedCrl {
    const known = this.#current.find(({ authorityId }) => authorityId === list.authorityId)
    return known !== undefined && known.thisUpdateMs > list.thisUpdateMs ? known : list
  }

  async #reread(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#deps.clock.sleep(this.#looksWithout > 0 ? bundleLookMs : rereadMs, signal).catch(() => undefined) // only aborts
      if (!signal.aborted) await this.#look()
    }
  }

  async #look(): Promise<void> {
    const authorities = this.#deps.authorities()
    this.#looksWithout = authorities.length === 0 ? this.#looksWithout + 1 : 0
    if (this.#looksWithout > 0 && this.#looksWithout !== looksBeforeSaid) return
    try {
      if (this.#looksWithout > 0) throw new MayflyError('BUNDLE_UNKNOWN', 'this agent has no bundle of that trust domain: no entry of its names it')
      const bytes = await this.#deps.readBytes(this.#file, maxFileBytes)
      if (bytes === undefined) throw new MayflyError('CONFIG_INVALID', 'there is no such file')
      if (this.#read !== undefined && this.#read.authorities === authorities && equalBytes(this.#read.bytes, bytes)) return
      this.#read = { bytes, authorities }
      this.#current = listsOf(bytes, authorities).map((list) => this.#newer(list))
      this.#said = ''
      this.#deps.log.info({ event: 'check.lists_read', trustDomain: this.#trustDomain, lists: this.#current.length }, 'lists of another trust domain were read')
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      if (cause !== this.#said) this.#deps.log.warn({ event: 'check.lists_unread', trustDomain: this.#trustDomain, file: this.#file, cause }, 'lists of another trust domain cannot be used; those before stay until their time is over')
      this.#said = cause
    }
  }
}

/** Those that one of the authorities signed. @throws {MayflyError} why none can be relied on */
function listsOf(bytes: Uint8Array, authorities: readonly Uint8Array[]): readonly SignedCrl[] {
  let why: MayflyError | undefined
  const lists = dersOf(bytes).flatMap((der) => {
    for (const authority of authorities) {
      try {
        return [SignedCrl.of(der, authority)]
      } catch (error) {
        if (!(error instanceof MayflyError)) throw error
        why = error
      }
    }
    return []
  })
  if (lists.length === 0 && why !== undefined) throw why
  return lists
}

function dersOf(bytes: Uint8Array): readonly Uint8Array[] {
  return bytes[0] === 0x30 ? [bytes] : decodePems('X509 CRL', new TextDecoder().decode(bytes))
}
