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

export type WireRegistration = WireReport & { readonly svidChain: readonly Uint8Array[] }

export type Waiting =
  | { readonly kind: 'registration'; readonly arrived: Arrived<WireRegistration> }
  | { readonly kind: 'report'; readonly arrived: Arrived<WireReport> & { readonly instance: string } }

/** What one agent brought and is not checked yet; by instance, which is read from the unchecked body. */
interface Box {
  readonly registrations: Map<string, Arrived<WireRegistration>>
  readonly receipts: Map<string, Arrived<WireReport>>
  readonly uses: Arrived<WireReport>[]
  /** Of the registrations' chains. */
  chainBytes: number
}

const maxReports = 40_000
/** Relays bring those of many machines through one agent: registrations all at once when its connection is new, receipts after each revocation. */
const maxOfAgent = 10_000
const maxChainBytesOfAgent = 32 * 1024 * 1024
const maxUsesOfAgent = 500
/** The longest body is 500 uses of 37 bytes; a chain is bounded as agents bound it. */
const maxBodyBytes = 20_000
/** Of all but uses: far less than this. */
const maxShortBytes = 256
const maxSignatureBytes = 1_024
const maxChainBytes = 16_384

/**
 * Reports that wait to be checked, bounded: of each agent's each instance the newest registration and the newest receipt, and so many reports of uses. Agents take turns, so
 * that one that brings much, or brings what is of no use, holds up nobody but itself; and none can touch what another brought.
 */
export class Inbox {
  /** By agent, the one whose turn is next first; those with nothing are left out. */
  readonly #boxes = new Map<SpiffeId, Box>()
  #size = 0

  get size(): number {
    return this.#size
  }

  register(arrived: Arrived<WireRegistration>): void {
    const { wire, agentId } = arrived
    const chainBytes = chainBytesOf(wire)
    if (!fits(wire) || wire.body.length > maxShortBytes || chainBytes > maxChainBytes) return
    const box = this.#boxOf(agentId)
    const before = box.registrations.get(instanceOf(wire.body))
    const allBytes = box.chainBytes + chainBytes - (before === undefined ? 0 : chainBytesOf(before.wire))
    if (allBytes > maxChainBytesOfAgent) return
    if (this.#keep(box.registrations, { ...arrived, wire: { ...copyOf(wire), svidChain: wire.svidChain.map((der) => Uint8Array.from(der)) } })) box.chainBytes = allBytes
  }

  /** In place of one of the same instance that waits: the newer one has all that the older had. */
  receipt(arrived: Arrived<WireReport>): void {
    if (fits(arrived.wire) && arrived.wire.body.length <= maxShortBytes) this.#keep(this.#boxOf(arrived.agentId).receipts, { ...arrived, wire: copyOf(arrived.wire) })
  }

  uses(arrived: Arrived<WireReport>): void {
    if (!fits(arrived.wire) || this.#size >= maxReports) return
    const { uses } = this.#boxOf(arrived.agentId)
    if (uses.length >= maxUsesOfAgent) return
    uses.push({ ...arrived, wire: copyOf(arrived.wire) })
    this.#size++
  }

  /** Of the agent whose turn it is; registrations first, for what they sign is checked with them. */
  next(): Waiting | undefined {
    for (const [agentId, box] of this.#boxes) {
      const waiting = takeFrom(box)
      this.#boxes.delete(agentId)
      if (waiting === undefined) continue
      this.#boxes.set(agentId, box)
      this.#size--
      return waiting
    }
    return undefined
  }

  /** A verifier left, says the agent that brought its reports. */
  forget(instance: string, agentId: SpiffeId): void {
    const box = this.#boxes.get(agentId)
    if (box === undefined) return
    const registration = box.registrations.get(instance)
    if (registration !== undefined) box.chainBytes -= chainBytesOf(registration.wire)
    for (const waiting of [box.registrations, box.receipts]) if (waiting.delete(instance)) this.#size--
  }

  /** Whether there was room. */
  #keep<Wire extends WireReport>(waiting: Map<string, Arrived<Wire>>, arrived: Arrived<Wire>): boolean {
    const instance = instanceOf(arrived.wire.body)
    const isNew = !waiting.has(instance)
    if (isNew && (waiting.size >= maxOfAgent || this.#size >= maxReports)) return false
    waiting.set(instance, arrived)
    if (isNew) this.#size++
    return true
  }

  #boxOf(agentId: SpiffeId): Box {
    const box = this.#boxes.get(agentId) ?? { registrations: new Map(), receipts: new Map(), uses: [], chainBytes: 0 }
    this.#boxes.set(agentId, box)
    return box
  }
}

function takeFrom(box: Box): Waiting | undefined {
  const { registrations, receipts, uses } = box
  const registration = shift(registrations)
  if (registration !== undefined) {
    box.chainBytes -= chainBytesOf(registration.wire)
    return { kind: 'registration', arrived: registration }
  }
  const report = shift(receipts) ?? uses.shift()
  return report === undefined ? undefined : { kind: 'report', arrived: { ...report, instance: instanceOf(report.wire.body) } }
}

function shift<Wire>(waiting: Map<string, Arrived<Wire>>): Arrived<Wire> | undefined {
  for (const [instance, arrived] of waiting) {
    waiting.delete(instance)
    return arrived
  }
  return undefined
}

function chainBytesOf({ svidChain }: WireRegistration): number {
  return svidChain.reduce((sum, { length }) => sum + length, 0)
}

/** Where every body has it, after kind and version. */
function instanceOf(body: Uint8Array): string {
  return toHex(body.subarray(2, 2 + instanceBytes))
}

function fits({ body, signature }: WireReport): boolean {
  return body.length <= maxBodyBytes && signature.length <= maxSignatureBytes
}

/** The bytes came as views of a whole message, which would stay as long as they do. */
function copyOf({ body, signature }: WireReport): WireReport {
  return { body: Uint8Array.from(body), signature: Uint8Array.from(signature) }
}
