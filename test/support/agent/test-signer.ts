import type { Entry } from '../../../src/core/entry.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { SigningOutcome, SigningRequest, SvidSigner } from '../../../agent/rotation/signer.ts'
import { TestIssuer } from './test-issuer.ts'

/** A server of a test as the agent's cache sees it. */
export class TestSigner implements SvidSigner {
  /** Entry ids of each call. */
  readonly calls: string[][] = []
  readonly issuer: TestIssuer
  entries: ReadonlyMap<string, Entry> = new Map()
  down = false
  attempts = 0
  signsAs: string | undefined
  refuses: 'PERMISSION_DENIED' | 'TARGET_DISABLED' | undefined
  skewMs = 0
  ttlMs: number
  readonly #clock: Clock
  #gate: Promise<void> = Promise.resolve()

  constructor(time: Clock, ttlMs: number) {
    this.#clock = time
    this.ttlMs = ttlMs
    this.issuer = new TestIssuer('test.example', time.nowMs())
  }

  /** Holds back answers until the returned function is called. */
  pause(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gate = promise
    return resolve
  }

  async sign(requests: readonly SigningRequest[]): Promise<readonly SigningOutcome[]> {
    this.attempts++
    if (this.down) throw new MayflyError('UNAVAILABLE', 'the server is away')
    this.calls.push(requests.map(({ entryId }) => entryId))
    await this.#gate
    return requests.map(({ entryId, csr }): SigningOutcome => {
      const entry = this.entries.get(entryId)
      if (entry === undefined || this.refuses !== undefined) return { kind: 'refused', code: this.refuses ?? 'NOT_FOUND', message: 'no' }
      return { kind: 'signed', chain: [this.issuer.sign(csr, this.signsAs ?? entry.spiffeId, this.#clock.nowMs() + this.skewMs, this.ttlMs)] }
    })
  }
}
