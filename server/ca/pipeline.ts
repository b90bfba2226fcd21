import { toHex } from '../../src/core/bytes.ts'
import { MayflyError, type ErrorCode } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import { leafValidity, type Validity } from '../../src/core/validity.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { GrantClaims } from '../../src/x509/grant-claims.ts'
import type { CredentialRequest, CredentialStore, ReserveResult } from '../store/port.ts'
import type { ActiveAuthority } from './active-authority.ts'
import type { Profiles, SvidProfileName } from './profiles.ts'
import { ReleaseQueue } from './release-queue.ts'
import type { PreparedBatch, SignerPool } from './signer-pool.ts'
import type { Prepared } from './signer.ts'

/** An X.509-SVID to issue. The caller has authenticated who asks and authorized what is asked for. */
export interface IssueRequest {
  readonly kind: CredentialRequest['kind']
  readonly profile: SvidProfileName
  /** A signing request (PKCS#10) whose proof of possession is checked here; names in it are not looked at. Or a SubjectPublicKeyInfo whose private key is known to be the holder's, such as the server's own. */
  readonly key: { readonly csr: Uint8Array } | { readonly spki: Uint8Array }
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  /** 0: the profile's default. */
  readonly ttlMs: number
  /** Its notAfter is no later, whatever its TTL. */
  readonly notAfterLimitMs?: number
  readonly entryId?: string
  readonly agentId?: SpiffeId
  readonly owner: string
  /** Of a grant, which is issued by itself: its claims, and how it is written down: in one transaction with the move of the grant. What `reserve` throws, `issue` throws. */
  readonly grant?: { readonly claims: GrantClaims; reserve(credential: CredentialRequest, atMs: number): Promise<ReserveResult> }
}

export type IssueOutcome =
  | {
      readonly kind: 'issued'
      /** The leaf, and what lies between it and the bundle: nothing where its issuer is in there. DER. */
      readonly chain: readonly Uint8Array[]
      /** 17 bytes. */
      readonly serial: Uint8Array
      readonly spiffeId: SpiffeId
      readonly notBeforeMs: number
      readonly notAfterMs: number
      readonly authorityId: string
    }
  /** CSR_INVALID, KEY_DENIED, TARGET_DISABLED, NOT_FOUND, AGENT_BANNED, TTL_TOO_LONG, LINT_FAILED, … */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }

export interface PipelineDeps {
  readonly profiles: Profiles
  /** @throws {MayflyError} NO_ACTIVE_AUTHORITY */
  readonly authorities: { active(): ActiveAuthority }
  readonly pool: SignerPool
  readonly credentials: Pick<CredentialStore, 'reserve' | 'release'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Told of each step that begins, of how many requests, under which call's signal; what it returns is told how the step ended. */
  readonly steps?: ((step: 'prepare' | 'journal' | 'sign', requests: number, signal: AbortSignal) => (failure?: string) => void) | undefined
}

interface Accepted {
  readonly at: number
  readonly request: IssueRequest
  readonly validity: Validity
}

/** What a thread takes at once: enough that a batch of 100 is one message, little enough that a great batch is shared. */
const chunkSize = 128

/**
 * One direction: profile → template → lint → journal → sign → release. Written down before it is signed; what cannot be written is not signed.
 * A bad request of a batch is refused by itself.
 */
export class IssuancePipeline implements AsyncDisposable {
  readonly #deps: PipelineDeps
  readonly #releases: ReleaseQueue

  constructor(deps: PipelineDeps) {
    this.#deps = deps
    this.#releases = new ReleaseQueue(deps)
  }

  /**
   * An outcome a request, in their order. An abort is heeded until the journal has been written.
   * @throws {MayflyError} NO_ACTIVE_AUTHORITY, STORE_UNWRITABLE, SHUTTING_DOWN: nothing was issued, or nothing that left
   */
  async issue(requests: readonly IssueRequest[], signal: AbortSignal): Promise<readonly IssueOutcome[]> {
    signal.throwIfAborted()
    if (requests.length > 1 && requests.some(({ grant }) => grant !== undefined)) throw new MayflyError('INTERNAL', 'the credential of a grant is issued by itself')
    const issuedAtMs = this.#deps.clock.nowMs()
    const authority = this.#deps.authorities.active()
    const outcomes: (IssueOutcome | undefined)[] = requests.map(() => undefined)
    const accepted: Accepted[] = []
    for (const [at, request] of requests.entries()) {
      const validity = this.#validityOf(request, authority, issuedAtMs)
      if ('kind' in validity) outcomes[at] = validity
      else accepted.push({ at, request, validity })
    }
    const chunks = Array.from({ length: Math.ceil(accepted.length / chunkSize) }, (_, chunk) => accepted.slice(chunk * chunkSize, (chunk + 1) * chunkSize))
    await Promise.all(
      chunks.map(async (chunk) => {
        const issued = await this.#issueChunk(chunk, authority, issuedAtMs, signal)
        for (const [index, { at }] of chunk.entries()) outcomes[at] = issued[index]
      }),
    )
    return outcomes.map((outcome) => outcome ?? { kind: 'refused', code: 'INTERNAL', message: 'no outcome' })
  }

  /** Writes down the last releases. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releases[Symbol.asyncDispose]()
  }

  #validityOf(request: IssueRequest, authority: ActiveAuthority, nowMs: number): Validity | Extract<IssueOutcome, { kind: 'refused' }> {
    const profile = this.#deps.profiles.svids[request.profile]
    const { notBeforeMs, notAfterMs } = authority.certificate
    const issuer = { notBeforeMs, notAfterMs: Math.min(notAfterMs, request.notAfterLimitMs ?? notAfterMs) }
    try {
      return leafValidity(nowMs, { ttlMs: request.ttlMs === 0 ? profile.defaultTtlMs : request.ttlMs, maxTtlMs: profile.maxTtlMs, backdateMs: profile.backdateMs, issuer })
    } catch (error) {
      if (error instanceof MayflyError && error.code !== 'NO_ACTIVE_AUTHORITY') return { kind: 'refused', code: error.code, message: error.message }
      throw error
    }
  }

  /** That a workload's was handed out is noted late: its agent replaces it when a crash loses the note. Nobody would replace an agent's own, or a minted one: noted first (decision 5). */
  async #issueChunk(chunk: readonly Accepted[], authority: ActiveAuthority, issuedAtMs: number, signal: AbortSignal): Promise<readonly IssueOutcome[]> {
    const batch = await this.#step('prepare', chunk, signal, () => this.#prepare(chunk, authority, issuedAtMs))
    const journaled = await this.#step('journal', chunk, signal, () => this.#journal(chunk, batch, authority, issuedAtMs, signal))
    const certificates = await this.#step('sign', chunk, signal, () => batch.sign(journaled.map((entry) => ('serial' in entry ? entry.serial : undefined))))
    const lasting = chunk.flatMap(({ request }, index) => {
      const entry = journaled[index]
      return request.kind === 'workload' || entry === undefined || 'kind' in entry ? [] : [entry.serial]
    })
    if (lasting.length > 0) await this.#deps.credentials.release(lasting, this.#deps.clock.nowMs())
    return chunk.map(({ request, validity }, index): IssueOutcome => {
      const entry = journaled[index]
      const certificate = certificates[index]
      if (entry === undefined || 'kind' in entry) return entry ?? { kind: 'refused', code: 'INTERNAL', message: 'no serial' }
      if (certificate === undefined) return { kind: 'refused', code: 'INTERNAL', message: 'not signed' }
      if (request.kind === 'workload') this.#releases.add(entry.serial)
      return { kind: 'issued', chain: [certificate, ...authority.chain], serial: entry.serial, spiffeId: request.spiffeId, ...validity, authorityId: authority.id }
    })
  }

  async #step<T>(step: 'prepare' | 'journal' | 'sign', chunk: readonly Accepted[], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const ended = this.#deps.steps?.(step, chunk.length, signal)
    if (ended === undefined) return await work()
    try {
      const result = await work()
      ended()
      return result
    } catch (error) {
      ended(error instanceof MayflyError ? error.code : 'INTERNAL')
      throw error
    }
  }

  async #prepare(chunk: readonly Accepted[], authority: ActiveAuthority, issuedAtMs: number): Promise<PreparedBatch> {
    return this.#deps.pool.prepare(
      { id: authority.id, certificate: authority.certificate.raw, key: authority.key },
      issuedAtMs,
      chunk.map(({ request: { profile, spiffeId, dnsNames, key, grant }, validity: { notBeforeMs, notAfterMs } }) => ({
        profile,
        spiffeId,
        dnsNames,
        notBeforeMs,
        notAfterMs,
        ...(grant === undefined ? {} : { grant: grant.claims }),
        keyForm: 'csr' in key ? 'csr' : 'spki',
      })),
      chunk.map(({ request: { key } }) => ('csr' in key ? key.csr : key.spki)),
    )
  }

  /** Serials of what was linted; refusals for the rest. When nothing could be written the batch is dropped: it will not be signed. */
  async #journal(
    chunk: readonly Accepted[],
    batch: PreparedBatch,
    authority: ActiveAuthority,
    issuedAtMs: number,
    signal: AbortSignal,
  ): Promise<readonly ({ readonly serial: Uint8Array } | Extract<IssueOutcome, { kind: 'refused' }>)[]> {
    try {
      signal.throwIfAborted()
      const randoms = this.#deps.random.bytes(8 * chunk.length)
      const rows = chunk.flatMap(({ request, validity }, index) => {
        const prepared = batch.results[index]
        return prepared?.ok === true ? [rowOf(request, validity, prepared, authority.id, randoms.slice(index * 8, index * 8 + 8))] : []
      })
      const reserved = await this.#reserve(chunk, rows, issuedAtMs)
      let next = 0
      return chunk.map((_, index) => {
        const prepared = batch.results[index]
        const result = prepared?.ok === true ? reserved[next++] : prepared
        if (result === undefined) return { kind: 'refused', code: 'INTERNAL', message: 'not written down' }
        return 'serial' in result ? { serial: result.serial } : { kind: 'refused', ...refusalOf(result) }
      })
    } catch (error) {
      batch.drop()
      throw error
    }
  }

  async #reserve(chunk: readonly Accepted[], rows: readonly CredentialRequest[], atMs: number): Promise<readonly ReserveResult[]> {
    const [row] = rows
    const grant = chunk.length === 1 ? chunk[0]?.request.grant : undefined
    if (row === undefined) return []
    return grant === undefined ? await this.#deps.credentials.reserve(rows, atMs) : [await grant.reserve(row, atMs)]
  }
}

function rowOf(request: IssueRequest, validity: Validity, prepared: Extract<Prepared, { ok: true }>, authorityId: string, random: Uint8Array): CredentialRequest {
  return {
    kind: request.kind,
    spiffeId: request.spiffeId,
    ...(request.entryId === undefined ? {} : { entryId: request.entryId }),
    ...(request.agentId === undefined ? {} : { agentId: request.agentId }),
    owner: request.owner,
    publicKeyHash: toHex(prepared.publicKeyHash),
    authorityId,
    notBeforeMs: validity.notBeforeMs,
    notAfterMs: validity.notAfterMs,
    random,
  }
}

function refusalOf(result: { readonly ok: boolean; readonly code?: ErrorCode; readonly message?: string }): { readonly code: ErrorCode; readonly message: string } {
  return { code: result.code ?? 'INTERNAL', message: result.message ?? 'refused' }
}
