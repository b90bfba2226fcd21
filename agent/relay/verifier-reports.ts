import type { RelayedReports } from '../../proto/generated/mayfly/v1/RelayedReports.ts'
import type { VerifierReceipt__Output } from '../../proto/generated/mayfly/v1/VerifierReceipt.ts'
import type { VerifierRegistration__Output } from '../../proto/generated/mayfly/v1/VerifierRegistration.ts'
import type { VerifierReport__Output } from '../../proto/generated/mayfly/v1/VerifierReport.ts'
import type { VerifierUses__Output } from '../../proto/generated/mayfly/v1/VerifierUses.ts'
import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { decodeReport, type Report } from '../../src/core/revocation/reports.ts'
import { Notifier } from '../notifier.ts'

/** A verifier of this node for as long as its call lasts. */
interface Present {
  readonly instance: Buffer
  registration: VerifierRegistration__Output
  isRegistrationDue: boolean
  receipt: VerifierReceipt__Output | undefined
  isReceiptDue: boolean
}

/** In one message to the server. */
const maxRegistrations = 100
const maxReceipts = 1_000
const maxUsesAtOnce = 20
const maxUsesWaiting = 200
const maxLeft = 10_000
const maxChain = 8
const maxChainBytes = 16_384

/**
 * Gathers what the verifiers on this node report, for the server, the newest receipt of each. The agent cannot make a report: they are signed with the verifiers' keys.
 * When the server is away, registrations and the newest receipts wait; of uses, so many.
 */
export class VerifierReports {
  readonly #present = new Set<Present>()
  #uses: VerifierUses__Output[] = []
  #left: Buffer[] = []
  #isCountDue = true
  #readers = 0

  /** There is something to send. */
  readonly changed: Notifier<void> = new Notifier()

  /** How many verifiers are registered here. */
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
  async take(reports: AsyncIterable<VerifierReport__Output>): Promise<void> {
    let verifier: Present | undefined
    try {
      for await (const report of reports) {
        verifier = this.#takeOne(report, verifier)
        this.changed.emit()
      }
    } finally {
      if (verifier !== undefined) this.#leave(verifier)
    }
  }

  /** What the server has not heard yet, as much as fits into one message; `undefined` when it has heard all. */
  next(): RelayedReports | undefined {
    const registrations: VerifierRegistration__Output[] = []
    const receipts: VerifierReceipt__Output[] = []
    for (const verifier of this.#present) {
      if (verifier.isRegistrationDue && registrations.length < maxRegistrations) {
        registrations.push(verifier.registration)
        verifier.isRegistrationDue = false
      }
      if (verifier.isRegistrationDue || !verifier.isReceiptDue || verifier.receipt === undefined || receipts.length >= maxReceipts) continue
      receipts.push(verifier.receipt)
      verifier.isReceiptDue = false
    }
    const uses = this.#uses.splice(0, maxUsesAtOnce)
    const left = this.#left.splice(0, maxLeft)
    if (registrations.length + receipts.length + uses.length + left.length === 0 && !this.#isCountDue) return undefined
    this.#isCountDue = false
    return { registrations, receipts, uses, left, unregistered: Math.max(0, this.#readers - this.#present.size) }
  }

  /** A new connection, or a server that was started again: it is told everything anew. */
  reconnected(): void {
    for (const verifier of this.#present) {
      verifier.isRegistrationDue = true
      verifier.isReceiptDue = verifier.receipt !== undefined
    }
    this.#isCountDue = true
  }

  #takeOne({ registration, receipt, uses }: VerifierReport__Output, verifier: Present | undefined): Present {
    if (registration !== null && registration !== undefined) return this.#register(registration, verifier)
    if (verifier === undefined) throw new MayflyError('INVALID_ARGUMENT', 'the first report of a verifier is its registration')
    if (receipt !== null && receipt !== undefined) {
      this.#check(receipt.body, 'receipt', verifier)
      verifier.receipt = receipt
      verifier.isReceiptDue = true
    } else if (uses !== null && uses !== undefined) {
      this.#check(uses.body, 'uses', verifier)
      this.#uses.push(uses)
      this.#uses.splice(0, this.#uses.length - maxUsesWaiting)
    } else throw new MayflyError('INVALID_ARGUMENT', 'a report is none of those that are known')
    return verifier
  }

  #register(registration: VerifierRegistration__Output, verifier: Present | undefined): Present {
    const { svidChain, body } = registration
    if (svidChain.length > maxChain || svidChain.reduce((sum, { length }) => sum + length, 0) > maxChainBytes) throw new MayflyError('INVALID_ARGUMENT', 'the chain of a verifier is too long')
    const { instance } = this.#check(body, 'registration', verifier)
    if (verifier === undefined) {
      const added: Present = { instance: Buffer.from(instance), registration, isRegistrationDue: true, receipt: undefined, isReceiptDue: false }
      this.#present.add(added)
      this.#isCountDue = true
      return added
    }
    verifier.registration = registration
    verifier.isRegistrationDue = true
    verifier.isReceiptDue = false
    return verifier
  }

  /** Only the form: whose it is, the server finds out. */
  #check(body: Uint8Array, kind: Report['kind'], verifier: Present | undefined): Report {
    const report = decodeReport(body)
    if (report?.kind !== kind) throw new MayflyError('INVALID_ARGUMENT', `a ${kind} that cannot be read`)
    if (verifier !== undefined && !equalBytes(report.instance, verifier.instance)) throw new MayflyError('INVALID_ARGUMENT', 'a report of another instance than the registration')
    return report
  }

  #leave(verifier: Present): void {
    this.#present.delete(verifier)
    // Nobody is gone while another call speaks for it: one that copied the name of a verifier must not end it.
    if (![...this.#present].some(({ instance }) => instance.equals(verifier.instance))) {
      this.#left.push(verifier.instance)
      this.#left.splice(0, this.#left.length - maxLeft)
    }
    this.#isCountDue = true
    this.changed.emit()
  }
}
