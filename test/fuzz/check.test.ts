import fc from 'fast-check'
import { expect } from 'vitest'
import { questionFromJson } from '../../agent/check/json.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { TestCheck } from '../support/agent/check.ts'
import { fuzz, hexForm, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'
import { leaf } from '../support/verify/certificates.ts'

const world = new TestCheck()
const id = 'spiffe://example.org/web'
const { der } = leaf(world.root, { uri: id })
const base64 = Buffer.from(der).toString('base64')
const originals = [JSON.stringify({ chain: encodeCertificatesPem([der]), allow: [id] }), JSON.stringify({ chain: [base64], allow: [id], class: 'strict' }), JSON.stringify({ chain: [base64, base64], allow: ['spiffe://example.org'] })]
const marks = ['{', '}', '[', ']', '"', ',', ':', 'null', '1e9', '"allow"', '"chain"', '"class"', '"__proto__":{"accepted":true},', '[],', 'spiffe://', 'spiffe://example.org', '\\u0000', '\\n', base64, '"strict"', '-----BEGIN CERTIFICATE-----']

fuzz('check-json', 'what is asked in JSON is refused as a question or judged; nothing but the SVID itself for whom it is wanted is accepted', textForm, textEdits(originals, marks), (text) => {
  try {
    const question = questionFromJson(text)
    const answer = world.check.check(question)
    if (!answer.accepted) return
    expect(answer.spiffeId).toBe(id)
    expect(question.allow.some((allowed) => allowed === id || allowed === 'spiffe://example.org')).toBe(true)
    expect(Buffer.from(question.chain[0] ?? []).equals(der)).toBe(true)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(error).toMatchObject({ status: 'INVALID_ARGUMENT' })
  }
})

const edits = fc.array(fc.tuple(fc.nat({ max: der.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }).map((changes) => {
  const bytes = Uint8Array.from(der)
  for (const [at, value] of changes) bytes[at] = value
  return bytes
})
fuzz('check-chain', 'a certificate of which a byte was changed is not accepted, and no answer is a failure of ours', hexForm, fc.oneof(edits, fc.uint8Array({ maxLength: 600 })), (bytes) => {
  if (bytes.length === 0) return
  const answer = world.check.check({ chain: [bytes], class: '', allow: [id] })
  expect(answer.accepted).toBe(Buffer.from(bytes).equals(der))
})
