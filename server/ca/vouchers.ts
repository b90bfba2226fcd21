import { isPublished } from '../../src/core/authority.ts'
import { equalBytes } from '../../src/core/bytes.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { Authority } from '../store/port.ts'
import { voucherFor, type CertifyAuthorityDeps } from './certify-authority.ts'
import { chainOf, type KnownAuthorities } from './known-authorities.ts'

export const unvouchedText = 'no older authority could vouch for the active one: an agent that was away when the bundle changed must join anew'
/** Chains have at most eight certificates. */
const mostVouchers = 3

/** A certificate for an authority's key by another, and what leads from there to the bundle. */
interface Voucher {
  readonly by: string
  readonly chain: readonly Uint8Array[]
}

/** Certificates for the active authority's key by those before it (decision 12). They live in memory, and are made anew at a start. */
export class Vouchers {
  readonly #known: KnownAuthorities
  readonly #deps: CertifyAuthorityDeps & { readonly clock: Clock; readonly log: Logger }
  #made: readonly Voucher[] = []
  #shown: readonly Uint8Array[] = []

  constructor(known: KnownAuthorities, deps: CertifyAuthorityDeps & { readonly clock: Clock; readonly log: Logger }) {
    this.#known = known
    this.#deps = deps
  }

  get areMade(): boolean {
    return this.#made.length > 0
  }

  /** DER. None by an authority that was revoked or is gone, but those that a restore left. The same array until it changes. */
  shown(): readonly Uint8Array[] {
    const { all } = this.#known
    const published = new Set(all.filter(({ state }) => isPublished(state)).map(({ id }) => id))
    const own = this.#made.filter(({ by }) => published.has(by)).flatMap(({ chain }) => chain)
    const shown = [...own, ...(all.find(({ state }) => state === 'active')?.vouchers ?? [])]
    if (shown.length !== this.#shown.length || shown.some((der, at) => !equalBytes(der, this.#shown[at] ?? new Uint8Array(0)))) this.#shown = shown
    return this.#shown
  }

  /** For an authority that is about to be activated, or was at the run before. Take them with {@link use}. That one cannot be made is no reason not to go on. */
  async make(id: string): Promise<readonly Voucher[]> {
    const { clock, log } = this.#deps
    const authority = this.#known.byId(id)
    const { spki } = parseCertificate(authority.certificate)
    try {
      return await Promise.all(
        this.#before(authority).map(async (other) => {
          const voucher = await voucherFor(spki, authority.notAfterMs, other, clock.nowMs(), this.#deps)
          return { by: other.id, chain: [voucher, ...chainOf(this.#known.byId(other.id))] }
        }),
      )
    } catch (error) {
      log.warn({ event: 'authority.unvouched', error }, unvouchedText)
      return []
    }
  }

  use(vouchers: readonly Voucher[]): void {
    this.#made = vouchers
  }

  /** Those whose word is of use: whoever knows a root that both hang on needs none. */
  #before(authority: Authority): ReturnType<KnownAuthorities['signers']> {
    return this.#known
      .signers()
      .filter(({ id }) => {
        const other = this.#known.byId(id)
        return id !== authority.id && other.state !== 'prepared' && !haveRootInCommon(authority, other)
      })
      .slice(-mostVouchers)
  }
}

/** Whether whoever knows what one hangs on knows what the other does. */
export function haveRootInCommon(left: Pick<Authority, 'upstream'>, right: Pick<Authority, 'upstream'>): boolean {
  return left.upstream?.roots.some((root) => right.upstream?.roots.some((other) => equalBytes(root, other)) === true) === true
}
