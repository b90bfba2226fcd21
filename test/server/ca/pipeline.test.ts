import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ActiveAuthority } from '../../../server/ca/active-authority.ts'
import { IssuancePipeline, type IssueOutcome, type IssueRequest } from '../../../server/ca/pipeline.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { SignerPool } from '../../../server/ca/signer-pool.ts'
import type { CredentialRequest } from '../../../server/store/port.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { decodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { verifySignature } from '../../../src/x509/signature.ts'
import { MemoryCredentials } from '../../support/ca/memory-credentials.ts'
import { SeededRandom, KeptLog } from '../../support/agent/quiet.ts'
import { testAuthority } from '../../support/ca/test-ca.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const signal = new AbortController().signal
let pool: SignerPool
let clock: FakeClock
let authority: ActiveAuthority
let credentials: MemoryCredentials
let pipeline: IssuancePipeline

beforeAll(() => {
  pool = new SignerPool(2)
})
afterAll(async () => pool[Symbol.asyncDispose]())

beforeEach(async () => {
  clock = new FakeClock(Date.UTC(2026, 5, 1, 12, 0, 0, 300))
  authority = await testAuthority(clock)
  credentials = new MemoryCredentials()
  pipeline = pipelineUnder(authority)
  return async () => {
    credentials.failing = false
    await pipeline[Symbol.asyncDispose]()
  }
})

describe('issuance', () => {
  test('an SVID verifies under its authority and says what was asked for', async () => {
    const [outcome] = await pipeline.issue([request({ dnsNames: ['db.example.test'], ttlMs: 60_000 })], signal)
    const leaf = parseCertificate(issued(outcome).chain[0] ?? new Uint8Array(0))
    expect(verifySignature(authority.certificate.spki, leaf)).toBe(true)
    expect(leaf.extensions.subjectAltName).toMatchObject({ uris: ['spiffe://example.test/web'], dns: ['db.example.test'], critical: true })
    expect(leaf.serial).toEqual(issued(outcome).serial)
    expect(leaf.notBeforeMs).toBe(Date.UTC(2026, 5, 1, 11, 59, 50))
    expect(leaf.notAfterMs).toBe(Date.UTC(2026, 5, 1, 12, 1, 0))
    expect(decodeSerial(leaf.serial)?.minute).toBe(minuteOf(leaf.notAfterMs))
  })

  test('the chain is the leaf alone, and without a TTL the profile says how long', async () => {
    const [outcome] = await pipeline.issue([request()], signal)
    expect(issued(outcome).chain).toHaveLength(1)
    expect(issued(outcome).notAfterMs).toBe(Date.UTC(2026, 5, 1, 12, 15, 0))
  })

  test('a leaf never outlives its issuer', async () => {
    const brief = await testAuthority(clock, 30_000)
    await using short = pipelineUnder(brief)
    const [outcome] = await short.issue([request({ ttlMs: 600_000 })], signal)
    expect(issued(outcome).notAfterMs).toBe(brief.certificate.notAfterMs)
  })

  test('a hundred and thirty at once come back in their order, each with a serial of its own', async () => {
    const requests = Array.from({ length: 130 }, (_, at) => request({ spiffeId: parseSpiffeId(`spiffe://example.test/n/${at}`), entryId: `entry-${at}` }))
    const outcomes = (await pipeline.issue(requests, signal)).map(issued)
    expect(outcomes.map(({ spiffeId }) => spiffeId)).toEqual(requests.map(({ spiffeId }) => spiffeId))
    expect(new Set(outcomes.map(({ serial }) => toHex(serial))).size).toBe(130)
    for (const { chain, spiffeId } of outcomes) expect(parseCertificate(chain[0] ?? new Uint8Array(0)).extensions.subjectAltName?.uris).toEqual([spiffeId])
  })

  test('a bad request of a batch is refused by itself', async () => {
    const forged = buildCsr(PrivateKey.generate())
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    const outcomes = await pipeline.issue([request(), request({ key: { csr: forged } }), request({ ttlMs: 7_200_000 }), request({ entryId: 'b' })], signal)
    expect(outcomes.map((outcome) => (outcome.kind === 'issued' ? 'issued' : outcome.code))).toEqual(['issued', 'CSR_INVALID', 'TTL_TOO_LONG', 'issued'])
    expect(credentials.rows).toHaveLength(2)
  })

  test('a key that belongs to another entry is denied', async () => {
    const csr = buildCsr(PrivateKey.generate())
    const [first] = await pipeline.issue([request({ key: { csr }, entryId: 'a' })], signal)
    const [second] = await pipeline.issue([request({ key: { csr }, entryId: 'b' })], signal)
    const [again] = await pipeline.issue([request({ key: { csr }, entryId: 'a' })], signal)
    expect([first?.kind, second, again?.kind]).toMatchObject(['issued', { kind: 'refused', code: 'KEY_DENIED' }, 'issued'])
  })

  test('what breaks a rule is neither written down nor signed', async () => {
    const outcomes = await pipeline.issue(
      [
        request({ spiffeId: parseSpiffeId('spiffe://example.test') }),
        request({ spiffeId: parseSpiffeId('spiffe://other.test/web') }),
        request({ dnsNames: ['not a name'] }),
        request({ profile: 'agent-svid', dnsNames: ['db.example.test'] }),
      ],
      signal,
    )
    expect(outcomes).toMatchObject(['X509-02', 'X509-04', 'well-formed', 'within the profile'].map((rule) => ({ kind: 'refused', code: 'LINT_FAILED', message: expect.stringContaining(rule) })))
    expect(credentials.rows).toEqual([])
  })

  test('the credential of a grant is written down by the grant, and names it', async () => {
    const id = parseSpiffeId('spiffe://example.test/web/task/0123456789abcdefghjkmnpqrs')
    const claims = { id: '0123456789abcdefghjkmnpqrs', intentHash: '11'.repeat(32), policyHash: '22'.repeat(32), deadlineMs: clock.nowMs() + 60_000 }
    const reserved: string[] = []
    const grant = {
      claims,
      reserve: async (row: CredentialRequest) => {
        reserved.push(row.spiffeId)
        return (await credentials.reserve([row]))[0] ?? { ok: false as const, code: 'NOT_FOUND' as const, message: '' }
      },
    }
    const [outcome] = await pipeline.issue([request({ profile: 'grant', spiffeId: id, ttlMs: 60_000, grant })], signal)
    expect(parseCertificate(issued(outcome).chain[0] ?? new Uint8Array(0)).extensions.grant).toEqual(claims)
    expect(reserved).toEqual([id])
    const refusing = { claims, reserve: async () => Promise.reject(new MayflyError('PRECONDITION_FAILED', 'it moved')) }
    await expect(pipeline.issue([request({ profile: 'grant', spiffeId: id, ttlMs: 60_000, grant: refusing })], signal)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await expect(pipeline.issue([request({ profile: 'grant', spiffeId: id, ttlMs: 60_000, grant }), request()], signal)).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(credentials.rows).toHaveLength(1)
  })

  test('when it cannot be written down, nothing is signed, and it recovers', async () => {
    credentials.failing = true
    await expect(pipeline.issue([request()], signal)).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
    credentials.failing = false
    const [outcome] = await pipeline.issue([request()], signal)
    expect(outcome?.kind).toBe('issued')
  })

  test('without a valid authority nothing is issued', async () => {
    clock.jump(8 * 86_400_000)
    await expect(pipeline.issue([request()], signal)).rejects.toMatchObject({ code: 'NO_ACTIVE_AUTHORITY' })
    clock.jump(-9 * 86_400_000)
    await expect(pipeline.issue([request()], signal)).rejects.toMatchObject({ code: 'NO_ACTIVE_AUTHORITY' })
    expect(credentials.rows).toEqual([])
  })

  test('an abort before the journal leaves nothing behind', async () => {
    const stopped = AbortSignal.abort(new Error('gone'))
    await expect(pipeline.issue([request()], stopped)).rejects.toThrow('gone')
    expect(credentials.rows).toEqual([])
  })

  test('releases are written in one go a little later, and at the end', async () => {
    await pipeline.issue([request({ entryId: 'a' }), request({ entryId: 'b' })], signal)
    expect(credentials.released).toEqual([])
    await clock.advance(50)
    expect(credentials.released).toEqual(credentials.rows.map(({ serial }) => serial))
    await pipeline.issue([request({ entryId: 'c' })], signal)
    await pipeline[Symbol.asyncDispose]()
    expect(credentials.released).toHaveLength(3)
  })

  test("an agent's own SVID and a minted one are noted as released before they are handed out: nobody would replace them", async () => {
    await pipeline.issue([request({ kind: 'agent' })], signal)
    await pipeline.issue([request({ kind: 'mint' })], signal)
    expect(credentials.released).toEqual(credentials.rows.map(({ serial }) => serial))
  })

  test('a release that could not be written is written with the next', async () => {
    await pipeline.issue([request({ entryId: 'a' })], signal)
    credentials.failing = true
    await clock.advance(50)
    credentials.failing = false
    await pipeline.issue([request({ entryId: 'b' })], signal)
    await clock.advance(50)
    expect(credentials.released).toHaveLength(2)
  })

  test('keys of P-384 and RSA get the same SVIDs', async () => {
    const p384 = PrivateKey.generate('P-384')
    const [outcome] = await pipeline.issue([request({ key: { spki: p384.spki } })], signal)
    expect(parseCertificate(issued(outcome).chain[0] ?? new Uint8Array(0)).spki).toEqual(p384.spki)
  })

  test('after the pool is closed the error says so', async () => {
    const closed = new SignerPool(1)
    await closed[Symbol.asyncDispose]()
    await using ended = pipelineUnder(authority, closed)
    await expect(ended.issue([request()], signal)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

function pipelineUnder(active: ActiveAuthority, threads = pool): IssuancePipeline {
  return new IssuancePipeline({ profiles: loadProfiles(), authorities: { active: () => active }, pool: threads, credentials, clock, random: new SeededRandom(), log: new KeptLog() })
}

function request(overrides: Partial<IssueRequest> = {}): IssueRequest {
  const spiffeId = parseSpiffeId('spiffe://example.test/web')
  return { kind: 'workload', profile: 'x509-svid', key: { csr: buildCsr(PrivateKey.generate()) }, spiffeId, dnsNames: [], ttlMs: 0, entryId: 'entry', owner: 'team-a', ...overrides }
}

function issued(outcome: IssueOutcome | undefined): Extract<IssueOutcome, { kind: 'issued' }> {
  if (outcome?.kind !== 'issued') throw new Error(`not issued: ${outcome?.message}`)
  return outcome
}
