import { toHex } from '../../src/core/bytes.ts'
import { instanceBytes } from '../../src/core/revocation/reports.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { WireReport } from './check.ts'

/** A report, who brought it, and when. Whose it is is not known before it is checked. */
export interface Arrived<Wire> {
  readonly agentId: SpiffeId
  readonly wire: Wire
  readonly arrivedBootMs: number
}

type RegistrationWire = WireReport & { readonly svidChain: readonly Uint8Array[] }

const maxEach = 20_000
const maxUses = 1_000

/**
 * Reports that wait to be checked, bounded: of each agent's each instance the newest registration and the newest receipt, and so many reports of uses. The instance is
 * read from the unchecked body, so it is kept by agent: one agent cannot push out what another brought.
 */
export class Inbox {
  readonly #registrations = new Map<string, Arrived<RegistrationWire>>()
  readonly #receipts = new Map<string, Arrived<WireReport>>()
  #uses: Arrived<WireReport>[] = []

  get size(): number {
    return this.#registrations.size + this.#receipts.size + this.#uses.length
  }

  register(arrived: Arrived<RegistrationWire>): void {
    keep(this.#registrations, arrived)
  }

  /** The delay is that of the first that waits: a newer one has all that it had. */
  receipt(arrived: Arrived<WireReport>): void {
    keep(this.#receipts, arrived)
  }

  uses(arrived: Arrived<WireReport>): void {
    if (this.#uses.length < maxUses) this.#uses.push(arrived)
  }

  /** Registrations first: what they sign is checked with them. */
  next(): { readonly kind: 'registration'; readonly arrived: Arrived<RegistrationWire> } | { readonly kind: 'report'; readonly arrived: Arrived<WireReport> & { readonly instance: string } } | undefined {
    const registration = shift(this.#registrations)
    if (registration !== undefined) return { kind: 'registration', arrived: registration }
    const report = shift(this.#receipts) ?? this.#uses.shift()
    return report === undefined ? undefined : { kind: 'report', arrived: { ...report, instance: instanceOf(report.wire.body) } }
  }

  /** Of a verifier that left. */
  forget(instance: string): void {
    for (const waiting of [this.#registrations, this.#receipts]) for (const [name, { wire }] of waiting) if (instanceOf(wire.body) === instance) waiting.delete(name)
  }
}

function keep<Wire extends WireReport>(waiting: Map<string, Arrived<Wire>>, arrived: Arrived<Wire>): void {
  const name = `${arrived.agentId} ${instanceOf(arrived.wire.body)}`
  if (waiting.size < maxEach || waiting.has(name)) waiting.set(name, arrived)
}

function shift<Wire>(waiting: Map<string, Arrived<Wire>>): Arrived<Wire> | undefined {
  for (const [name, arrived] of waiting) {
    waiting.delete(name)
    return arrived
  }
  return undefined
}

/** Where every body has it, after kind and version. */
function instanceOf(body: Uint8Array): string {
  return toHex(body.subarray(2, 2 + instanceBytes))
}
