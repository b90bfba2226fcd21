import type { Person__Output } from '../../proto/generated/mayfly/v1/Person.ts'
import { parseAuthorizedKey } from '../ssh/public-key.ts'
import { timeText } from './when.ts'

/** A person as `--json` prints it. */
export function personToJson(person: Person__Output): Record<string, unknown> {
  const { name, sshKeys, owners, roles, requesters, addedAtMs } = person
  return { name, roles, owners, requesters, sshKeys, fingerprints: fingerprintsOf(person), addedAt: timeText(addedAtMs) }
}

export function personLine(person: Person__Output): string {
  return `${person.name} is registered (${person.roles.join(', ')}) with ${fingerprintsOf(person).join(' ')}`
}

/** As ssh-keygen -l prints them. */
export function fingerprintsOf({ sshKeys }: Person__Output): string[] {
  return sshKeys.map((line) => parseAuthorizedKey(line).fingerprint)
}
