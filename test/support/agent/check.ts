import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckListener } from '../../../agent/check/http-listener.ts'
import { SvidCheck } from '../../../agent/check/svid-check.ts'
import type { SvidCheckDeps } from '../../../agent/check/svid-check.ts'
import type { ChainFacts, CheckOutcome } from '../../../src/core/revocation/check.ts'
import type { Freshness } from '../../../src/core/revocation/freshness.ts'
import { linuxProcesses } from '../../../src/system/linux/processes.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { BundleSet } from '../../../src/verify/index.ts'
import type { TrustDomainAuthorities } from '../../../src/verify/bundle-set.ts'
import { FakeClock } from '../fake-clock.ts'
import { authority, nowMs, trustDomain } from '../verify/certificates.ts'
import type { Issued } from '../verify/certificates.ts'
import { KeptLog } from './quiet.ts'

/** What an agent knows, to be set. */
export class TestCheck {
  readonly root: Issued = authority('root')
  readonly check: SvidCheck
  outcome: (facts: ChainFacts) => CheckOutcome = () => ({ kind: 'good' })
  freshness: Freshness | undefined = { ageMs: 300, aheadMs: 0, behindMs: 0 }

  /** Another trust domain, whose bundle the agent has. */
  partner: TrustDomainAuthorities | undefined
  foreign: ReturnType<NonNullable<SvidCheckDeps['foreign']>>
  /** Credentials that are told to have been accepted. */
  used = 0

  constructor() {
    const bundles = BundleSet.of({ trustDomain, x509Authorities: [this.root.der] })
    const position = { epoch: 7, seq: 42, chainHash: new Uint8Array(32) }
    this.check = new SvidCheck({ clock: new FakeClock(nowMs), bundles: () => (this.partner === undefined ? bundles : bundles.with(this.partner)), foreign: () => this.foreign, used: () => void this.used++, revocations: { check: (facts) => this.outcome(facts), freshness: () => this.freshness, position } })
  }
}

/** The check socket of a test, and a way to ask over it. */
export class TestCheckSocket implements AsyncDisposable {
  readonly path: string
  readonly log: KeptLog
  readonly #folder: string
  readonly #listener: CheckListener

  private constructor(folder: string, listener: CheckListener, log: KeptLog) {
    this.#folder = folder
    this.path = join(folder, 'check.sock')
    this.#listener = listener
    this.log = log
  }

  static async start(check: SvidCheck, more: { readonly requestLimitMs?: number } = {}): Promise<TestCheckSocket> {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    const log = new KeptLog()
    return new TestCheckSocket(folder, await CheckListener.start(join(folder, 'check.sock'), { check, processes: linuxProcesses(), clock: systemClock, log, checkTerms: { perSecond: 2_000, burst: 4_000 }, ...more }), log)
  }

  async post(body: string | object, path = '/check', method = 'POST'): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
    return await postCheck(this.path, body, path, method)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export async function postCheck(socketPath: string, body: string | object, path = '/check', method = 'POST'): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method, headers: { 'content-type': 'application/json' } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Readonly<Record<string, unknown>> }))
    })
    request.on('error', reject)
    request.end(method === 'GET' ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  })
}
