import type { RefusedUses__Output } from '../../proto/generated/mayfly/v1/RefusedUses.ts'
import type { RelayedReports, RelayedReports__Output } from '../../proto/generated/mayfly/v1/RelayedReports.ts'
import type { ReportAnswer } from '../../proto/generated/mayfly/v1/ReportAnswer.ts'
import type { VerifierReceipt__Output } from '../../proto/generated/mayfly/v1/VerifierReceipt.ts'
import type { VerifierRegistration__Output } from '../../proto/generated/mayfly/v1/VerifierRegistration.ts'
import type { VerifierReport__Output } from '../../proto/generated/mayfly/v1/VerifierReport.ts'
import type { VerifierUses__Output } from '../../proto/generated/mayfly/v1/VerifierUses.ts'
import { equalBytes, toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { decodeReport, instanceBytes, type Report } from '../../src/core/revocation/reports.ts'
import { Notifier } from '../notifier.ts'

/** A verifier for as long as its call lasts, or that of the relay which brings its reports. */
interface Present {
  readonly instance: Buffer
  readonly isRelayed: boolean
  registration: VerifierRegistration__Output
  isRegistrationDue: boolean
  receipt: VerifierReceipt__Output | undefined
  isReceiptDue: boolean
  readonly tell: Tell
}

/** Says to whoever reports that a registration was refused; must not throw. */
export type Tell = (answer: ReportAnswer) => void

/** In one message to the server. */
const maxRegistrations = 100
const maxReceipts = 1_000
const maxUsesAtOnce = 20
const maxUsesWaiting = 200
const maxLeft = 10_000
const maxChain = 8
const maxChainBytes = 16_384
/** Brought by relays, all together: their registrations are kept. */
const maxRelayed = 20_000
const maxRelayedBytes = 64 * 1024 * 1024

/** What one relay below this one brings. */
interface Relayed {
  readonly verifiers: Map<string, Present>
  readonly tell: Tell
  unregistered: number
}

/**
 * Gathers what verifiers report, here and at relays below, for the server: the newest receipt of each. A relay cannot make a report: they are signed with the verifiers' keys.
 * When the way to the server is cut, registrations and the newest receipts wait; of uses and refusals, so many.
 */
export class VerifierReports {
  readonly #present = new Set<Present>()
  readonly #relays = new Set<Relayed>()
  /** How many calls speak for an instance, hexadecimal. */
  readonly #callsOf = new Map<string, number>()
  #relayedCount = 0
  #relayedBytes = 0
  #uses: VerifierUses__Output[] = []
  #refusals: RefusedUses__Output[] = []
  /** By instance, hexadecimal; the longest gone first. None of those that are here. */
  readonly #left = new Map<string, Buffer>()
  #isCountDue = true
  #readers = 0

  /** There is something to send. */
  readonly changed: Notifier<void> = new Notifier()

  /** How many verifiers are registered, here and below. */
  get size(): number {
    return this.#present.size
  }

  /** Readers of the stream on this node, registered or not. */
  set readers(count: number) {
    if (count === this.#readers) return
    this.#readers = count
    this.#isCountDue = true
    this.changed.emit()
  }

  /** Takes the reports of one verifier until they end. @throws {MayflyError} INVALID_ARGUMENT */
  async take(reports: AsyncIterable<VerifierReport__Output>, tell: Tell): Promise<void> {
    let verifier: Present | undefined
    try {
      for await (const report of reports) {
        verifier = this.#takeOne(report, verifier, tell)
        this.changed.emit()
      }
    } finally {
      if (verifier !== undefined) this.#leave(verifier)
    }
  }

  /** Takes what a relay brings until that ends: its verifiers have left then. @throws {MayflyError} INVALID_ARGUMENT, LIMIT_EXCEEDED */
  async takeRelayed(messages: AsyncIterable<RelayedReports__Output>, tell: Tell): Promise<void> {
    const relay: Relayed = { verifiers: new Map(), tell, unregistered: 0 }
    this.#relays.add(relay)
    try {
      for await (const message of messages) {
        this.#takeMessage(message, relay)
        this.changed.emit()
      }
    } finally {
      this.#relays.delete(relay)
      for (const verifier of relay.verifiers.values()) this.#leave(verifier)
      this.#isCountDue = true
      this.changed.emit()
    }
  }

  /** The server, or a relay on the way to it, does not take the registration of this instance: whoever brought it is told. @param instance 16 bytes */
  refused(instance: Uint8Array, why: string): void {
    for (const verifier of this.#present) {
      if (equalBytes(verifier.instance, instance)) verifier.tell({ refused: why, instance: verifier.instance })
    }
  }

  /** What has not gone on yet, as much as fits into one message; `undefined` when all has. @param maxBytes of the message, as far as one report alone is not longer */
  next(maxBytes: number = Number.POSITIVE_INFINITY): RelayedReports | undefined {
    const registrations: VerifierRegistration__Output[] = []
    const receipts: VerifierReceipt__Output[] = []
    let bytes = 0
    for (const verifier of this.#present) {
      if (bytes >= maxBytes) break
      if (verifier.isRegistrationDue && registrations.length < maxRegistrations && bytes + sizeOf(verifier.registration) <= maxBytes) {
        registrations.push(verifier.registration)
        bytes += sizeOf(verifier.registration)
        verifier.isRegistrationDue = false
      }
      if (verifier.isRegistrationDue || !verifier.isReceiptDue || verifier.receipt === undefined || receipts.length >= maxReceipts || bytes + sizeOf(verifier.receipt) > maxBytes) continue
      receipts.push(verifier.receipt)
      bytes += sizeOf(verifier.receipt)
      verifier.isReceiptDue = false
    }
    const taken = (waiting: VerifierUses__Output[]): VerifierUses__Output[] => {
      const some: VerifierUses__Output[] = []
      for (let [first] = waiting; first !== undefined && some.length < maxUsesAtOnce && (bytes === 0 || bytes + sizeOf(first) <= maxBytes); [first] = waiting) {
        bytes += sizeOf(first)
        some.push(first)
        waiting.shift()
      }
      return some
    }
    const refusals = taken(this.#refusals)
    const uses = taken(this.#uses)
    const left = [...this.#left.values()].slice(0, Math.max(0, Math.floor((maxBytes - bytes) / (instanceBytes + fieldBytes))))
    for (const gone of left) this.#left.delete(toHex(gone))
    if (registrations.length + receipts.length + uses.length + refusals.length + left.length === 0 && !this.#isCountDue) return undefined
    this.#isCountDue = false
    return { registrations, receipts, uses, refusals, left, unregistered: this.#unregistered }
  }

  /** Readers here that are neither verifiers nor relays, and those below. */
  get #unregistered(): number {
    let below = 0
    for (const { unregistered } of this.#relays) below += unregistered
    return Math.max(0, this.#readers - (this.#present.size - this.#relayedCount) - this.#relays.size) + below
  }

  /** A new connection, or a server that was started again: it is told everything anew. */
  reconnected(): void {
    for (const verifier of this.#present) {
      verifier.isRegistrationDue = true
      verifier.isReceiptDue = verifier.receipt !== undefined
    }
    this.#isCountDue = true
  }

  #takeMessage({ registrations, receipts, uses, refusals, left, unregistered }: RelayedReports__Output, relay: Relayed): void {
    for (const registration of registrations) {
      const instance = toHex(instanceOf(registration))
      const known = relay.verifiers.get(instance)
      if (known === undefined && (this.#relayedCount >= maxRelayed || this.#relayedBytes + sizeOf(registration) > maxRelayedBytes)) throw new MayflyError('LIMIT_EXCEEDED', 'relays bring the reports of too many verifiers')
      relay.verifiers.set(instance, this.#register(registration, known, true, relay.tell))
    }
    for (const receipt of receipts) {
      const verifier = relay.verifiers.get(toHex(instanceOf(receipt)))
      if (verifier !== undefined) this.#takeReceipt(receipt, verifier)
    }
    for (const one of uses) {
      const verifier = relay.verifiers.get(toHex(instanceOf(one)))
      if (verifier !== undefined) this.#takeUses(one, verifier)
    }
    for (const one of refusals) {
      const verifier = relay.verifiers.get(toHex(instanceOf(one)))
      if (verifier !== undefined) this.#takeRefusals(one, verifier)
    }
    for (const instance of left) {
      const verifier = relay.verifiers.get(toHex(instance))
      if (verifier === undefined) continue
      relay.verifiers.delete(toHex(instance))
      this.#leave(verifier)
    }
    const count = Math.max(0, Math.min(unregistered, maxRelayed))
    if (count !== relay.unregistered) this.#isCountDue = true
    relay.unregistered = count
  }

  #takeOne({ registration, receipt, uses, refusals }: VerifierReport__Output, verifier: Present | undefined, tell: Tell): Present {
    if (registration !== null && registration !== undefined) return this.#register(registration, verifier, false, tell)
    if (verifier === undefined) throw new MayflyError('INVALID_ARGUMENT', 'the first report of a verifier is its registration')
    if (receipt !== null && receipt !== undefined) this.#takeReceipt(receipt, verifier)
    else if (uses !== null && uses !== undefined) this.#takeUses(uses, verifier)
    else throw new MayflyError('INVALID_ARGUMENT', 'a report is none of those that are known')
    if (refusals !== null && refusals !== undefined) this.#takeRefusals(refusals, verifier)
    return verifier
  }

  #takeReceipt(receipt: VerifierReceipt__Output, verifier: Present): void {
    this.#check(receipt.body, 'receipt', verifier)
    verifier.receipt = receipt
    verifier.isReceiptDue = true
  }

  #takeUses(uses: VerifierUses__Output, verifier: Present): void {
    this.#check(uses.body, 'uses', verifier)
    this.#uses.push(uses)
    this.#uses.splice(0, this.#uses.length - maxUsesWaiting)
  }

  #takeRefusals(refusals: RefusedUses__Output, verifier: Present): void {
    this.#check(refusals.body, 'refusals', verifier)
    this.#refusals.push(refusals)
    this.#refusals.splice(0, this.#refusals.length - maxUsesWaiting)
  }

  #register(registration: VerifierRegistration__Output, verifier: Present | undefined, isRelayed: boolean, tell: Tell): Present {
    const { svidChain, body } = registration
    if (svidChain.length > maxChain || svidChain.reduce((sum, { length }) => sum + length, 0) > maxChainBytes) throw new MayflyError('INVALID_ARGUMENT', 'the chain of a verifier is too long')
    const { instance } = this.#check(body, 'registration', verifier)
    if (verifier === undefined) {
      const added: Present = { instance: Buffer.from(instance), isRelayed, registration, isRegistrationDue: true, receipt: undefined, isReceiptDue: false, tell }
      this.#present.add(added)
      this.#callsOf.set(toHex(instance), (this.#callsOf.get(toHex(instance)) ?? 0) + 1)
      this.#left.delete(toHex(instance)) // come again before its leaving was told: told together, they would mean that it is gone
      this.#countRelayed(added, 1)
      this.#isCountDue = true
      return added
    }
    this.#countRelayed(verifier, -1)
    verifier.registration = registration
    this.#countRelayed(verifier, 1)
    verifier.isRegistrationDue = true
    verifier.isReceiptDue = false
    return verifier
  }

  /** Only the form: whose it is, the server finds out. */
  #check(body: Uint8Array, kind: Report['kind'], verifier: Present | undefined): Report {
    const report = decodeReport(body)
    if (report?.kind !== kind) throw new MayflyError('INVALID_ARGUMENT', `a report (${kind}) that cannot be read`)
    if (verifier !== undefined && !equalBytes(report.instance, verifier.instance)) throw new MayflyError('INVALID_ARGUMENT', 'a report of another instance than the registration')
    return report
  }

  #leave(verifier: Present): void {
    this.#present.delete(verifier)
    this.#countRelayed(verifier, -1)
    const name = toHex(verifier.instance)
    const calls = (this.#callsOf.get(name) ?? 1) - 1
    // Nobody is gone while another call speaks for it: one that copied the name of a verifier must not end it.
    if (calls > 0) this.#callsOf.set(name, calls)
    else {
      this.#callsOf.delete(name)
      this.#left.set(name, verifier.instance)
      const [longest] = this.#left.keys()
      if (this.#left.size > maxLeft && longest !== undefined) this.#left.delete(longest)
    }
    this.#isCountDue = true
    this.changed.emit()
  }

  #countRelayed({ isRelayed, registration }: Present, sign: 1 | -1): void {
    if (!isRelayed) return
    this.#relayedCount += sign
    this.#relayedBytes += sign * sizeOf(registration)
  }
}

/** Tags and lengths of a message's parts, generously. */
const fieldBytes = 16

function sizeOf({ body, signature, svidChain }: VerifierReceipt__Output & { readonly svidChain?: readonly Buffer[] }): number {
  return body.length + signature.length + fieldBytes + (svidChain ?? []).reduce((sum, { length }) => sum + length + 4, 0)
}

/** Where every body has it, after kind and version. */
function instanceOf({ body }: { readonly body: Uint8Array }): Uint8Array {
  return body.subarray(2, 2 + instanceBytes)
}
