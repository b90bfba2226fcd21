import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Certificate } from '../../src/x509/certificate.ts'
import { buildCrl, crlEntry } from '../../src/x509/crl.ts'
import type { CrlReason } from '../../src/x509/crl.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { subjectKeyIdOf } from '../../src/x509/template.ts'
import type { PrivateKey } from '../../src/x509/private-key.ts'
import type { Credential, EndCause, Store } from '../store/port.ts'

/** A list of one authority, as it was published. */
export interface PublishedCrl {
  /** Hexadecimal. */
  readonly authorityId: string
  readonly certificate: Certificate
  readonly number: bigint
  readonly der: Uint8Array
  readonly entries: number
  readonly thisUpdateMs: number
}

export interface CrlBridgeDeps {
  readonly store: Pick<Store, 'credentials' | 'journal'>
  readonly authorities: {
    /** Authorities of the bundle whose keys are here. */
    signers(): readonly { readonly id: string; readonly certificate: Certificate; readonly key: PrivateKey }[]
    onChange(listener: () => void): Disposable
  }
  readonly clock: Clock
  readonly log: Logger
  /** No number of a list published before is higher. */
  readonly lastNumber: bigint
}

interface Entry {
  readonly der: Uint8Array
  readonly notAfterMs: number
}

/** A list past this is an outage at whoever checks it: freshness comes from the stream, not from here. */
const crlLifeMs = 86_400_000
const backdateMs = 10_000
/** Without a change, so that a server away for hours is no outage. */
const refreshMs = 3_600_000
const leastIntervalMs = 2_000
const mostIntervalMs = 60_000
/** How many bytes of lists an interval of one second is for. */
const bytesPerSecond = 32_768
const pageSize = 10_000
const lookUpAtOnce = 1_000
const retryMs = 5_000

/**
 * For verifiers that know only standards: one full list for each authority of the bundle, an empty one too, republished seconds after a change and never
 * for each revocation. Entries are encoded once and kept; a list is their concatenation and one signature. An entry goes once a list issued after the
 * certificate's end has carried it (RFC 5280 3.3).
 */
export class CrlBridge implements AsyncDisposable {
  readonly #deps: CrlBridgeDeps
  readonly #stop = new AbortController()
  readonly #byAuthority = new Map<string, Map<string, Entry>>()
  readonly #listeners = new Set<(crls: readonly PublishedCrl[]) => void>()
  readonly #unknown = new Set<string>()
  readonly #changed = new Set<string>()
  #crls: readonly PublishedCrl[] = []
  #lastNumber: bigint
  #wake = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #following: Disposable[] = []

  private constructor(deps: CrlBridgeDeps) {
    this.#deps = deps
    this.#lastNumber = deps.lastNumber
  }

  /** Resolves once there is a list for each authority. */
  static async start(deps: CrlBridgeDeps): Promise<CrlBridge> {
    const bridge = new CrlBridge(deps)
    bridge.#following = [
      deps.store.journal.onCommit(({ records, streamEvents }) => {
        if (streamEvents.length === 0) return // nothing ended: most commits issue, and their records are not looked at
        for (const { record } of records) {
          if ((record.kind === 'credentials.ended' && record.cause !== 'abandoned') || record.kind === 'prefix.closed') bridge.#ended(record.serials)
        }
      }),
      deps.authorities.onChange(() => bridge.#ring()),
    ]
    await bridge.#load()
    bridge.#publish()
    bridge.#running = bridge.#run()
    return bridge
  }

  /** The newest list of each authority. The same array until one changes. */
  get crls(): readonly PublishedCrl[] {
    return this.#crls
  }

  /** Called with all lists after one of them changed. */
  onPublished(listener: (crls: readonly PublishedCrl[]) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const following of this.#following) following[Symbol.dispose]()
    this.#stop.abort()
    this.#wake.abort()
    await this.#running
  }

  #ended(serials: readonly string[]): void {
    for (const serial of serials) this.#unknown.add(serial)
    this.#ring()
  }

  #ring(): void {
    this.#wake.abort()
  }

  async #load(): Promise<void> {
    const filter = { endedNotAfterMs: this.#deps.clock.nowMs() }
    let after: string | undefined
    do {
      const page = await this.#deps.store.credentials.list(filter, { size: pageSize, ...(after === undefined ? {} : { after }) })
      for (const credential of page.items) this.#add(credential)
      after = page.next
    } while (after !== undefined)
    this.#changed.clear()
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#wake = new AbortController()
      let sleepMs = refreshMs
      try {
        await this.#lookUp()
        this.#publish()
      } catch (error) {
        sleepMs = retryMs
        log.error({ event: 'crl.failed', error }, 'the lists of revoked certificates could not be made anew; the ones before stay, it is tried again')
      }
      await clock.sleep(sleepMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined) // woken
      await clock.sleep(this.#intervalMs(), signal).catch(() => undefined) // stopping
    }
  }

  /** Long lists are made more seldom. */
  #intervalMs(): number {
    const bytes = this.#crls.reduce((sum, { der }) => sum + der.length, 0)
    return Math.min(mostIntervalMs, Math.max(leastIntervalMs, (bytes / bytesPerSecond) * 1_000))
  }

  /** Which authority signed what was ended since. */
  async #lookUp(): Promise<void> {
    while (this.#unknown.size > 0) {
      const serials = [...this.#unknown].slice(0, lookUpAtOnce)
      for (const credential of await this.#deps.store.credentials.bySerials(serials)) this.#add(credential)
      for (const serial of serials) this.#unknown.delete(serial)
    }
  }

  #add({ serial, authorityId, notAfterMs, endedAtMs, cause, state }: Credential): void {
    if (state !== 'revoked' && state !== 'superseded') return
    const entries = this.#byAuthority.get(authorityId) ?? new Map<string, Entry>()
    this.#byAuthority.set(authorityId, entries)
    entries.set(serial, { der: crlEntry(Buffer.from(serial, 'hex'), endedAtMs ?? 0, state === 'superseded' ? 'superseded' : reasonOf(cause)), notAfterMs })
    this.#changed.add(authorityId)
  }

  /** Makes anew what has changed, is missing or is an hour old. */
  #publish(): void {
    const { clock, log, authorities } = this.#deps
    const nowMs = clock.nowMs()
    const before = new Map(this.#crls.map((crl) => [crl.authorityId, crl]))
    let isNew = false
    const crls = authorities.signers().map(({ id, certificate, key }) => {
      const known = before.get(id)
      before.delete(id)
      if (known !== undefined && !this.#changed.has(id) && Math.abs(nowMs - known.thisUpdateMs) < refreshMs) return known
      isNew = true
      return this.#make(id, certificate, key, nowMs)
    })
    const listed = new Set(crls.map(({ authorityId }) => authorityId))
    for (const id of this.#byAuthority.keys()) if (!listed.has(id)) this.#byAuthority.delete(id)
    this.#changed.clear()
    if (!isNew && before.size === 0) return
    this.#crls = crls
    log.info({ event: 'crl.published', lists: crls.length, entries: crls.reduce((sum, { entries }) => sum + entries, 0), number: String(this.#lastNumber) }, 'lists of revoked certificates published')
    for (const listener of this.#listeners) listener(crls)
  }

  #make(authorityId: string, certificate: Certificate, key: PrivateKey, nowMs: number): PublishedCrl {
    const number = BigInt(Math.max(0, Math.floor(nowMs)))
    this.#lastNumber = number > this.#lastNumber ? number : this.#lastNumber + 1n
    const thisUpdateMs = nowMs - backdateMs
    const entries = this.#byAuthority.get(authorityId) ?? new Map<string, Entry>()
    const der = buildCrl(
      { issuer: certificate.subject, issuerKeyId: certificate.extensions.subjectKeyId ?? subjectKeyIdOf(publicKeyHash(certificate.spki)), number: this.#lastNumber, thisUpdateMs, nextUpdateMs: nowMs + crlLifeMs },
      [...entries.values()].map((entry) => entry.der),
      (bytes) => key.sign(bytes),
    )
    const published = { authorityId, certificate, number: this.#lastNumber, der, entries: entries.size, thisUpdateMs: nowMs }
    for (const [serial, { notAfterMs }] of entries) if (notAfterMs < thisUpdateMs) entries.delete(serial)
    return published
  }
}

function reasonOf(cause: EndCause | undefined): CrlReason {
  switch (cause) {
    case 'leak':
      return 'keyCompromise'
    case 'holder_exited':
    case 'entry_deleted':
      return 'cessationOfOperation'
    default:
      return 'unspecified'
  }
}

/** The names under which lists and bundle are served and written. */
export function crlName(authorityId: string): string {
  if (!/^[0-9a-f]{64}$/.test(authorityId)) throw new MayflyError('INTERNAL', 'the id of an authority has another form')
  return `${authorityId}.crl`
}
