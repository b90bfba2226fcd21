import { MayflyError } from '../../src/core/errors.ts'
import { decodeBase64, decodeCertificatesPem } from '../../src/x509/pem.ts'
import type { CheckQuestion } from './svid-check.ts'

const keys = new Set(['chain', 'class', 'allow'])

/**
 * A question as JSON: `{"chain": PEM text or a list of base64 DER, "allow": [SPIFFE ID, …], "class": "standard"}`; other keys are refused, so that a
 * misspelt condition is not a missing one. @throws {MayflyError} INVALID_ARGUMENT
 */
export function questionFromJson(text: string): CheckQuestion {
  const value = parse(text)
  const unknown = Object.keys(value).find((key) => !keys.has(key))
  if (unknown !== undefined) throw invalid(`no such field: ${JSON.stringify(unknown.slice(0, 40))}`)
  const { chain, allow, class: wanted = '' } = value
  if (typeof wanted !== 'string') throw invalid('class is not a string')
  if (!Array.isArray(allow) || !allow.every((item) => typeof item === 'string')) throw invalid('allow is not a list of SPIFFE IDs')
  return { chain: chainOf(chain), class: wanted, allow }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('the body is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('the body is not an object')
  return value as Readonly<Record<string, unknown>> // an object of JSON
}

function chainOf(value: unknown): readonly Uint8Array[] {
  try {
    if (typeof value === 'string') return decodeCertificatesPem(value)
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.map((item) => decodeBase64(item))
  } catch (error) {
    if (error instanceof MayflyError) throw invalid(`chain: ${error.message}`)
    throw error
  }
  throw invalid('chain is neither PEM text nor a list of base64 DER')
}

function invalid(what: string): MayflyError {
  return new MayflyError('INVALID_ARGUMENT', what, { hint: '{"chain": "-----BEGIN CERTIFICATE-----…", "allow": ["spiffe://…"], "class": "standard"}' })
}
