import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { CheckAnswer } from '../../../agent/check/svid-check.ts'
import type { CheckOutcome } from '../../../src/core/revocation/check.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { revocationUnchecked } from '../../../src/verify/index.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { TestCheck, TestCheckSocket } from '../../support/agent/check.ts'
import { authority, leaf, nowMs } from '../../support/verify/certificates.ts'

const id = 'spiffe://example.org/web'
const allow = [id]

test('a verdict says who, which serial, why, how fresh, and up to where revocations are known', () => {
  const world = new TestCheck()
  const svid = leaf(world.root, { uri: id })
  const answer = world.check.check({ chain: [svid.der], class: '', allow })
  expect(answer).toEqual({ accepted: true, verdict: 'accepted', reason: '', spiffeId: id, serial: expect.stringMatching(/^[0-9a-f]{34}$/), authorityId: world.root.id, notAfterMs: svid.fields.notAfterMs, class: 'available', stale: false, ageMs: 300, epoch: 7, seq: 42 })
})

test('every verdict but one is a no, with its reason', () => {
  const world = new TestCheck()
  const svid = leaf(world.root, { uri: id })
  const verdictOf = (over: Partial<Parameters<typeof world.check.check>[0]> = {}): readonly [boolean, string, string] => {
    const { accepted, verdict, reason } = world.check.check({ chain: [svid.der], class: 'standard', allow, ...over })
    return [accepted, verdict, reason]
  }
  expect(verdictOf()).toEqual([true, 'accepted', ''])
  expect(verdictOf({ allow: ['spiffe://example.org/other'] })).toEqual([false, 'not_authorized', expect.stringContaining(id)])
  expect(verdictOf({ allow: ['spiffe://example.org'] })).toEqual([true, 'accepted', ''])
  expect(verdictOf({ allow: ['spiffe://other.example'] })).toEqual([false, 'not_authorized', expect.any(String)])
  expect(verdictOf({ chain: [Uint8Array.of(1, 2, 3)] })).toEqual([false, 'malformed', expect.stringContaining('not an X.509-SVID')])
  expect(verdictOf({ chain: [leaf(authority('stranger'), { uri: id }).der] })).toEqual([false, 'untrusted', expect.any(String)])
  expect(verdictOf({ chain: [leaf(world.root, { uri: id, notAfterMs: nowMs - 1_000 }).der] })).toEqual([false, 'expired', expect.stringContaining('ended at')])
  for (const kind of ['revoked', 'superseded'] as const) {
    world.outcome = () => ({ kind })
    expect(verdictOf()).toEqual([false, kind, expect.any(String)])
  }
  world.outcome = () => ({ kind: 'authority_revoked', authorityId: world.root.id })
  expect(verdictOf()).toEqual([false, 'authority_revoked', expect.stringContaining(world.root.id.slice(0, 16))])
  world.outcome = () => ({ kind: 'good' })
  world.freshness = { ageMs: 20_000, aheadMs: 0, behindMs: 0 }
  expect(verdictOf()).toEqual([false, 'stale', expect.stringContaining('20000 ms')])
  expect(world.check.check({ chain: [svid.der], class: 'available', allow })).toMatchObject({ accepted: true, stale: true, ageMs: 20_000 })
  world.freshness = undefined
  expect(world.check.check({ chain: [svid.der], class: 'available', allow })).toMatchObject({ accepted: false, verdict: 'stale', ageMs: -1 })
})

test('a refusal names the authority too, wherever the path leads to one', () => {
  const world = new TestCheck()
  const verdictOf = (issuer = world.root, over = {}): readonly string[] => {
    const { verdict, authorityId } = world.check.check({ chain: [leaf(issuer, { uri: id, ...over }).der], class: 'standard', allow })
    return [verdict, authorityId]
  }
  expect(verdictOf(authority('stranger'))).toEqual(['untrusted', ''])
  expect(verdictOf(world.root, { notAfterMs: nowMs - 1_000 })).toEqual(['expired', world.root.id])
  world.outcome = () => ({ kind: 'revoked' })
  expect(verdictOf()).toEqual(['revoked', world.root.id])
  world.outcome = () => ({ kind: 'good' })
  world.freshness = undefined
  expect(verdictOf()).toEqual(['stale', world.root.id])
})

test('a peer of another trust domain is judged by whom the configuration names, and told to the own server by nobody', () => {
  const world = new TestCheck()
  const partner = authority('partner')
  world.partner = { trustDomain: parseTrustDomain('partner.example'), x509Authorities: [partner.der] }
  const svid = leaf(partner, { uri: 'spiffe://partner.example/web' })
  const ask = (): CheckAnswer => world.check.check({ chain: [svid.der], class: 'strict', allow: ['spiffe://partner.example'] })
  world.outcome = ({ authorityId }) => (authorityId === partner.id ? { kind: 'unindexed', authorityId } : { kind: 'good' })
  expect(ask()).toMatchObject({ accepted: false, verdict: 'unindexed' })

  const theirs = { check: (): CheckOutcome => ({ kind: 'good' }), freshness: () => ({ ageMs: 40, aheadMs: 0, behindMs: 0 }), position: { epoch: 1, seq: 2, chainHash: new Uint8Array(32) } }
  world.foreign = { elsewhere: [{ trustDomain: world.partner.trustDomain, revocation: theirs }], streamOf: (name) => (name === 'partner.example' ? theirs : undefined) }
  expect(ask()).toMatchObject({ accepted: true, class: 'strict', ageMs: 40, epoch: 1, seq: 2 })
  theirs.check = () => ({ kind: 'revoked' })
  expect(ask()).toMatchObject({ accepted: false, verdict: 'revoked', ageMs: 40, epoch: 1, seq: 2 })

  world.foreign = { elsewhere: [{ trustDomain: world.partner.trustDomain, revocation: revocationUnchecked }], streamOf: () => undefined }
  expect(ask()).toMatchObject({ accepted: true, class: '', stale: false, ageMs: -1, epoch: 0, seq: 0 })
  expect(world.used).toBe(0)
  expect(world.check.check({ chain: [leaf(world.root, { uri: id }).der], class: 'strict', allow })).toMatchObject({ accepted: true, class: 'strict', ageMs: 300, epoch: 7 })
  expect(world.used).toBe(1)
})

test('a question without peers, with an unknown class or out of bounds is none', () => {
  const { check, root } = new TestCheck()
  const { der } = leaf(root, { uri: id })
  for (const question of [
    { chain: [der], class: '', allow: [] },
    { chain: [der], class: 'relaxed', allow },
    { chain: [], class: '', allow },
    { chain: Array.from({ length: 9 }, () => der), class: '', allow },
    { chain: [new Uint8Array(40_000)], class: '', allow },
    { chain: [der], class: '', allow: ['web'] },
    { chain: [der], class: '', allow: Array.from({ length: 1_001 }, () => id) },
  ]) {
    expect(() => check.check(question)).toThrow(expect.objectContaining({ status: 'INVALID_ARGUMENT' }))
  }
})

test('POST /check: PEM or base64 DER in, the verdict out; 200 is the only yes', async () => {
  const world = new TestCheck()
  await using socket = await TestCheckSocket.start(world.check)
  const { der } = leaf(world.root, { uri: id })
  const pem = encodeCertificatesPem([der])
  expect(await socket.post({ chain: pem, allow })).toMatchObject({ status: 200, body: { accepted: true, verdict: 'accepted', spiffeId: id } })
  expect(await socket.post({ chain: [Buffer.from(der).toString('base64')], allow, class: 'strict' })).toMatchObject({ status: 200, body: { class: 'strict' } })
  world.outcome = () => ({ kind: 'revoked' })
  expect(await socket.post({ chain: pem, allow })).toMatchObject({ status: 403, body: { accepted: false, verdict: 'revoked', reason: 'it was revoked' } })
})

test('what is no question is 400, 404, 405 or 413, and says why', async () => {
  const world = new TestCheck()
  await using socket = await TestCheckSocket.start(world.check)
  const pem = encodeCertificatesPem([leaf(world.root, { uri: id }).der])
  for (const body of ['', '[]', 'null', '{"chain":', { chain: pem }, { chain: pem, allow: [] }, { chain: pem, allow: 'spiffe://example.org/web' }, { chain: 'no pem', allow }, { chain: ['***'], allow }, { chain: pem, allow, clas: 'strict' }, { chain: pem, allow, class: 3 }]) {
    expect(await socket.post(body)).toMatchObject({ status: 400, body: { error: { message: expect.any(String) } } })
  }
  expect(await socket.post({ chain: pem, allow }, '/')).toMatchObject({ status: 404 })
  expect(await socket.post('', '/check', 'GET')).toMatchObject({ status: 405 })
  expect(await socket.post({ chain: 'x'.repeat(70_000), allow })).toMatchObject({ status: 413 })
  expect(await socket.post({ chain: pem, allow })).toMatchObject({ status: 200 })
})

test('who sends no request, or half of one, is cut off', async () => {
  const { check } = new TestCheck()
  await using socket = await TestCheckSocket.start(check, { requestLimitMs: 250 })
  for (const begin of ['POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{', 'POST /check HT', 'garbage\r\n\r\n']) {
    const connection = connect(socket.path).on('error', () => undefined)
    connection.write(begin)
    await once(connection.resume(), 'close')
  }
})

test('one user’s connections are bounded', async () => {
  const { check, root } = new TestCheck()
  await using socket = await TestCheckSocket.start(check)
  const held = Array.from({ length: 256 }, () => connect(socket.path).on('error', () => undefined))
  await Promise.all(held.map((connection) => once(connection, 'connect')))
  const extra = connect(socket.path).on('error', () => undefined)
  await once(extra.resume(), 'close')
  for (const connection of held) connection.destroy()
  await Promise.all(held.map((connection) => once(connection, 'close')))
  const pem = encodeCertificatesPem([leaf(root, { uri: id }).der])
  let status = 0
  while (status !== 200) status = await socket.post({ chain: pem, allow }).then((answer) => answer.status, () => 0)
})
