import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { tag } from '../../src/core/der/tag.ts'
import { derAscii, derOctetString, derSequence, derUnsigned, derValue } from '../../src/core/der/writer.ts'
import { derGrantClaims, readGrantClaims } from '../../src/x509/grant-claims.ts'
import { MayflyError } from '../../src/core/errors.ts'

const claims = { id: '0123456789abcdefghjkmnpqrs', intentHash: '11'.repeat(32), policyHash: 'ab'.repeat(32), deadlineMs: 1_767_225_600_123 }

describe('the claims of a grant', () => {
  test('are these bytes, for other implementations', () => {
    expect(toHex(derGrantClaims(claims))).toBe(`3068161a${Buffer.from(claims.id).toString('hex')}0420${claims.intentHash}0420${claims.policyHash}0206019b76da a87b`.replace(' ', ''))
    expect(readGrantClaims(derGrantClaims(claims))).toEqual(claims)
  })

  const hash = derOctetString(new Uint8Array(32))
  const name = derAscii(tag.ia5String, claims.id)
  const deadline = derUnsigned(Uint8Array.of(1, 2, 3))
  const cases: readonly [string, Uint8Array][] = [
    ['nothing', derSequence()],
    ['a hash that is short', derSequence(name, derOctetString(new Uint8Array(31)), hash, deadline)],
    ['something after the deadline', derSequence(name, hash, hash, deadline, deadline)],
    ['a negative deadline', derSequence(name, hash, hash, derValue(tag.integer, Uint8Array.of(0x80)))],
    ['a deadline past all times', derSequence(name, hash, hash, derUnsigned(Uint8Array.of(1, 0, 0, 0, 0, 0, 0)))],
    ['an empty name', derSequence(derAscii(tag.ia5String, ''), hash, hash, deadline)],
    ['a name with a slash', derSequence(derAscii(tag.ia5String, 'a/b'), hash, hash, deadline)],
    ['a name that is too long', derSequence(derAscii(tag.ia5String, 'a'.repeat(65)), hash, hash, deadline)],
    ['a name of another type', derSequence(derAscii(tag.utf8String, claims.id), hash, hash, deadline)],
  ]
  test.each(cases)('are refused with %s', (_, der) => {
    expect(() => readGrantClaims(der)).toThrow(MayflyError)
  })

  test('that are malformed are not written', () => {
    for (const broken of [{ id: '' }, { id: 'a/b' }, { intentHash: 'zz' }, { policyHash: '' }, { deadlineMs: -1 }, { deadlineMs: 0.5 }, { deadlineMs: 2 ** 48 }]) {
      expect(() => derGrantClaims({ ...claims, ...broken })).toThrow(expect.objectContaining({ code: 'DER_INVALID' }))
    }
  })

  test('any bytes are read or refused with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          const read = readGrantClaims(bytes)
          expect(derGrantClaims(read)).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MayflyError)
        }
      }),
    )
  })
})
