import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { buildCrl } from '../../src/x509/crl.ts'
import type { CrlReason } from '../../src/x509/crl.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { signingAside } from '../../src/x509/signing-key.ts'
import { subjectKeyIdOf } from '../../src/x509/template.ts'
import type { KeyedAuthority } from '../ca/active-authority.ts'
import type { Credential, EndCause, Store } from '../store/port.ts'
import { CrlEntries } from './crl-entries.ts'
import type { PublishedCrl } from './published-crl.ts'
import type { UpstreamLists } from './upstream-lists.ts'

export interface CrlBridgeDeps {
  readonly store: Pick<Store, 'credentials' | 'journal'>
  readonly authorities: {
    /** Authorities that are not revoked and whose keys are here. */
    signers(): readonly KeyedAuthority[]
    onChange(listener: () => void): Disposable
  }
  /** Of the authorities above, when there are any. */
  readonly above?: UpstreamLists | undefined
  readonly clock: Clock
  readonly log: Logger
  /** No number of a list published before is higher. */
  readonly lastNumber: bigint
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
  readonly #byAuthority = new Map<string, CrlEntries>()
  readonly #listeners = new Set<(crls: readonly PublishedCrl[]) => void>()
  readonly #unknown = new Set<string>()
  readonly #changed = new Set<string>()
  #crls: readonly PublishedCrl[] = []
  #lastNumber: bigint
  /** What the list of the upstream authority was made of. */
  #above: readonly Uint8Array[] = []
  readonly #fromAbove = new Set<string>()
  #isGivenMissing = false
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
      ...[deps.above?.onChange(() => bridge.#ring())].filter((following) => following !== undefined),
    ]
    await bridge.#load()
    await bridge.#publish()
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
    await this.#deps.above?.[Symbol.asyncDispose]()
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
        await this.#publish()
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

  #add({ serial, authorityId, endedAtMs, cause, state }: Credential): void {
    if (state !== 'revoked' && state !== 'superseded') return
    const entries = this.#byAuthority.get(authorityId) ?? new CrlEntries()
    this.#byAuthority.set(authorityId, entries)
    entries.add(serial, endedAtMs ?? 0, state === 'superseded' ? 'superseded' : reasonOf(cause))
    this.#changed.add(authorityId)
  }

  /** Makes anew what has changed, is missing or is an hour old. */
  async #publish(): Promise<void> {
    const { clock, log, authorities } = this.#deps
    const nowMs = clock.nowMs()
    const before = new Map(this.#crls.map((crl) => [crl.authorityId, crl]))
    const changed = new Set(this.#changed)
    this.#changed.clear()
    let isNew = false
    const crls: PublishedCrl[] = []
    try {
      for (const issuer of authorities.signers()) {
        const known = before.get(issuer.id)
        before.delete(issuer.id)
        if (known !== undefined && !changed.has(issuer.id) && Math.abs(nowMs - known.thisUpdateMs) < refreshMs) crls.push(known)
        else {
          isNew = true
          crls.push(await this.#make(issuer, nowMs))
        }
      }
      for (const crl of await this.#listsAbove(before, nowMs)) {
        isNew ||= before.get(crl.authorityId) !== crl
        before.delete(crl.authorityId)
        crls.push(crl)
      }
    } catch (error) {
      for (const id of changed) this.#changed.add(id) // for the next attempt
      throw error
    }
    const listed = new Set(crls.map(({ authorityId }) => authorityId))
    for (const id of this.#byAuthority.keys()) if (!listed.has(id)) this.#byAuthority.delete(id)
    if (!isNew && before.size === 0) return
    this.#crls = crls
    log.info({ event: 'crl.published', lists: crls.length, entries: crls.reduce((sum, { entries }) => sum + entries, 0), number: String(this.#lastNumber) }, 'lists of revoked certificates published')
    for (const listener of this.#listeners) listener(crls)
  }

  async #make(issuer: KeyedAuthority, nowMs: number): Promise<PublishedCrl> {
    const entries = this.#byAuthority.get(issuer.id)
    const published = await this.#sign(issuer, entries?.der ?? [], entries?.size ?? 0, nowMs)
    entries?.dropBefore(nowMs - backdateMs)
    return published
  }

  /** The upstream authority's, when one of ours was revoked or an hour is over; what others gave; and those of an upstream authority that was exchanged, for what still hangs on it, while they are good. */
  async #listsAbove(before: ReadonlyMap<string, PublishedCrl>, nowMs: number): Promise<readonly PublishedCrl[]> {
    const { above } = this.#deps
    if (above === undefined) return []
    const given = (await this.#given(above, nowMs)).map((crl) => {
      const known = before.get(crl.authorityId)
      return known?.number === crl.number && known.thisUpdateMs === crl.thisUpdateMs ? known : crl
    })
    const signer = above.signer()
    const known = signer === undefined ? undefined : before.get(signer.issuer.id)
    const isSame = signer?.entries.length === this.#above.length && Math.abs(nowMs - (known?.thisUpdateMs ?? 0)) < refreshMs
    this.#above = signer?.entries ?? []
    const ours = signer === undefined ? [] : [known !== undefined && isSame ? known : await this.#sign(signer.issuer, signer.entries, signer.entries.length, nowMs)]
    const present = [...given, ...ours]
    for (const { authorityId } of present) this.#fromAbove.add(authorityId)
    const left = [...before.values()].filter((crl) => this.#fromAbove.has(crl.authorityId) && !present.some(({ authorityId }) => authorityId === crl.authorityId))
    return [...present, ...left.filter(({ thisUpdateMs }) => nowMs < thisUpdateMs + crlLifeMs)]
  }

  /** Without them nothing is published at first; later they hold up none of ours, and those of before stay. */
  async #given(above: UpstreamLists, nowMs: number): Promise<readonly PublishedCrl[]> {
    try {
      const given = await above.given(nowMs)
      this.#isGivenMissing = false
      return given
    } catch (error) {
      if (this.#crls.length === 0) throw error
      if (this.#isGivenMissing) return []
      this.#isGivenMissing = true
      this.#deps.log.error({ event: 'upstream.lists_missing', error }, 'a list of an authority above is missing or out of date: verifiers that read lists refuse, or soon will')
      return []
    }
  }

  async #sign({ id, certificate, key }: KeyedAuthority, entries: readonly Uint8Array[], count: number, nowMs: number): Promise<PublishedCrl> {
    const number = BigInt(Math.max(0, Math.floor(nowMs)))
    this.#lastNumber = number > this.#lastNumber ? number : this.#lastNumber + 1n
    const ours = this.#lastNumber
    const issuerKeyId = certificate.extensions.subjectKeyId ?? subjectKeyIdOf(publicKeyHash(certificate.spki))
    const der = await buildCrl({ issuer: certificate.subject, issuerKeyId, number: ours, thisUpdateMs: nowMs - backdateMs, nextUpdateMs: nowMs + crlLifeMs }, entries, signingAside(key))
    return { authorityId: id, certificate, number: ours, der, entries: count, thisUpdateMs: nowMs }
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
