import { MayflyError } from '../../src/core/errors.ts'
import { approvalNamespace } from '../../src/core/approval/statement.ts'
import { parseAuthorizedKey } from '../../src/ssh/public-key.ts'
import { verifySshSignature } from '../../src/ssh/signature.ts'
import type { Person } from '../store/grant-model.ts'

/**
 * Checks that a registered person signed these words with one of the keys that are registered; returns the person.
 * @throws {MayflyError} APPROVAL_INVALID
 */
export function checkSignature(person: Person | undefined, words: string, armoured: string): Person {
  if (person === undefined) throw new MayflyError('APPROVAL_INVALID', 'nobody is registered by this name', { hint: 'mayfly person list' })
  const outcome = verifySshSignature(armoured, Buffer.from(words), approvalNamespace)
  if ('problem' in outcome) throw new MayflyError('APPROVAL_INVALID', `the signature is not good: ${outcome.detail}`, { hint: 'sign exactly the words that mayfly approvals shows', details: { problem: outcome.problem } })
  const known = person.sshKeys.some((line) => Buffer.from(parseAuthorizedKey(line).blob).equals(outcome.signer.blob))
  if (!known) throw new MayflyError('APPROVAL_INVALID', `the signature is good, but by a key that is not one of ${person.name}'s`, { hint: `its key is ${outcome.signer.fingerprint}` })
  return person
}
