import type { X509BundlesResponse } from '../../proto/generated/X509BundlesResponse.ts'
import type { X509SVIDResponse } from '../../proto/generated/X509SVIDResponse.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { secret } from '../../src/rpc/secret.ts'
import type { Attestation } from '../attest/attestation.ts'
import type { Notifier } from '../notifier.ts'
import type { SvidCache } from '../rotation/svid-cache.ts'
import type { EntryCache } from '../sync/entry-cache.ts'
import { namesIn } from '../sync/federation.ts'
import type { Federation, ForeignBundle } from '../sync/federation.ts'
import type { Trust } from '../sync/trust.ts'
import { heardWithin, Wake } from '../wake.ts'
import type { Identities, Identity } from './identities.ts'
import type { WorkloadConnection } from './workload-connection.ts'

export interface X509StreamsDeps {
  readonly clock: Clock
  readonly entries: EntryCache
  readonly svids: SvidCache
  readonly identities: Identities
  readonly trust: Trust
  readonly federation: Federation
  /** Lists of revoked certificates, for entries that ask. */
  readonly crls: { readonly lists: readonly Buffer[]; readonly changed: Notifier<void> }
  /** The process is about to be handed the entry's key. */
  hold(entryId: string, connection: WorkloadConnection): void
}

const maxAttempts = 10
/** How soon an identity that could not be had beside others is asked for again. */
const retryMs = 5_000

/** FetchX509SVID: the full state at once, and again whenever it is another (WAPI-04..06); ends with PermissionDenied when the last identity goes. */
export async function* x509Svids(connection: WorkloadConnection, signal: AbortSignal, deps: X509StreamsDeps): AsyncGenerator<X509SVIDResponse, void, undefined> {
  const { svids, entries, trust, federation, identities, crls } = deps
  const wake = new Wake()
  let interest: ReadonlySet<string> = new Set()
  let attestation: Attestation | undefined
  using _svids = svids.changed.on((id) => {
    if (interest.has(id)) wake.ring()
  })
  using _entries = entries.changed.on((ids) => {
    if (attestation === undefined || [...interest].some((id) => ids.has(id)) || identities.concerns(ids, attestation)) wake.ring()
  })
  using _trust = trust.changed.on(() => wake.ring())
  using _crls = crls.changed.on(() => wake.ring())
  let named: ReadonlySet<string> = new Set()
  using _federation = federation.changed.on((names) => {
    if ([...names].some((name) => named.has(name))) wake.ring()
  })
  let sent = ''
  for (;;) {
    const state = await presentState(connection, signal, deps, (ids) => (interest = ids))
    attestation = state.attestation
    const lists = state.identities.some(({ svid }) => asksForCrl(svid.entryId, entries)) ? crls.lists : []
    const theirs = state.identities.flatMap(({ svid }) => entries.all.get(svid.entryId) ?? [])
    named = namesIn(theirs)
    const foreign = federation.namedBy(theirs)
    const fingerprint = `${fingerprintOf(state.identities, trust)} ${crlMark(lists)} ${foreignMark(foreign)}`
    if (fingerprint !== sent) {
      sent = fingerprint
      for (const { svid } of state.identities) deps.hold(svid.entryId, connection)
      yield responseOf(state.identities, trust, foreign, lists)
    }
    if (state.identities.length === interest.size) await wake.heard(signal)
    else await heardWithin(wake, retryMs, deps.clock, signal)
    signal.throwIfAborted()
  }
}

/** FetchX509Bundles: as {@link x509Svids}, without keys, for whoever has an identity (WX-07, WX-09): its trust domain's bundle, and those that its entries federate with. */
export async function* x509Bundles(connection: WorkloadConnection, signal: AbortSignal, deps: X509StreamsDeps): AsyncGenerator<X509BundlesResponse, void, undefined> {
  const wake = new Wake()
  let interest: ReadonlySet<string> = new Set()
  let attestation: Attestation | undefined
  using _entries = deps.entries.changed.on((ids) => {
    if (attestation === undefined || [...interest].some((id) => ids.has(id)) || deps.identities.concerns(ids, attestation)) wake.ring()
  })
  using _trust = deps.trust.changed.on(() => wake.ring())
  using _crls = deps.crls.changed.on(() => wake.ring())
  let named: ReadonlySet<string> = new Set()
  using _federation = deps.federation.changed.on((names) => {
    if ([...names].some((name) => named.has(name))) wake.ring()
  })
  let sent = ''
  for (;;) {
    attestation = await connection.attest()
    const theirs = deps.identities.entriesOf(attestation)
    interest = new Set(theirs.map(({ id }) => id))
    named = namesIn(theirs)
    const foreign = deps.federation.namedBy(theirs)
    const bundle = deps.trust.concatenated
    const lists = [...interest].some((id) => asksForCrl(id, deps.entries)) ? deps.crls.lists : noLists
    const fingerprint = `${bundleMark(bundle)} ${crlMark(lists)} ${foreignMark(foreign)}`
    if (fingerprint !== sent) {
      sent = fingerprint
      yield { bundles: { ...byDomain(foreign), [deps.trust.spiffeId]: bundle }, crl: [...lists] }
    }
    await wake.heard(signal)
  }
}

interface State {
  readonly attestation: Attestation
  readonly identities: readonly Identity[]
}

/** Facts, then SVIDs; and the facts once more whenever the SVIDs had to be waited for, so that nothing goes out on old facts. */
async function presentState(connection: WorkloadConnection, signal: AbortSignal, deps: X509StreamsDeps, watch: (ids: ReadonlySet<string>) => void): Promise<State> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const attestation = await connection.attest()
    const matched = deps.identities.entriesOf(attestation)
    watch(new Set(matched.map(({ id }) => id)))
    if (matched.every(({ id }) => deps.svids.current(id) !== undefined)) return { attestation, identities: deps.identities.present(matched, new Map(), attestation) }
    const failures = await deps.identities.prepare(matched, signal)
    if ([...failures.values()].every(({ kind }) => kind === 'ready')) continue
    const again = await connection.attest()
    const still = deps.identities.entriesOf(again)
    if (still.length === matched.length && still.every((entry, at) => entry === matched[at])) return { attestation: again, identities: deps.identities.present(still, failures, again) }
  }
  throw new MayflyError('UNAVAILABLE', 'the identities of this process change faster than they can be signed')
}

function fingerprintOf(identities: readonly Identity[], { concatenated }: Trust): string {
  return `${identities.map(({ svid, hint }) => `${svid.entryId} ${svid.serialHex} ${hint}`).join('\n')}\n${bundleMark(concatenated)}`
}

const noLists: readonly Buffer[] = []

function asksForCrl(entryId: string, entries: EntryCache): boolean {
  return entries.all.get(entryId)?.crl === true
}

/** A short name for one state of the lists, which are replaced whole; 0 for none. */
function crlMark([first]: readonly Buffer[]): number {
  return first === undefined ? 0 : bundleMark(first)
}

const marks = new WeakMap<Buffer, number>()
let marksGiven = 0

/** A short name for one state of the bundle. */
function bundleMark(bundle: Buffer): number {
  let mark = marks.get(bundle)
  if (mark === undefined) marks.set(bundle, (mark = ++marksGiven))
  return mark
}

function foreignMark(bundles: readonly ForeignBundle[]): string {
  return bundles.map(({ trustDomain, concatenated }) => `${trustDomain}:${bundleMark(concatenated)}`).join()
}

/** By the SPIFFE ID of each trust domain (WX-05). */
function byDomain(bundles: readonly ForeignBundle[]): Record<string, Buffer> {
  return Object.fromEntries(bundles.map(({ spiffeId, concatenated }) => [spiffeId, concatenated]))
}

function responseOf(identities: readonly Identity[], { concatenated }: Trust, foreign: readonly ForeignBundle[], lists: readonly Buffer[]): X509SVIDResponse {
  return secret({
    svids: identities.map(({ svid, hint }) => ({ spiffeId: svid.spiffeId, x509Svid: svid.chainDer, x509SvidKey: svid.pkcs8, bundle: concatenated, hint })),
    crl: [...lists],
    federatedBundles: byDomain(foreign),
  })
}
