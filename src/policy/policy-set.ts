import { createHash } from 'node:crypto'

/** Cedar policies by name; the names are what a denial says. */
export type PolicySet = Readonly<Record<string, string>>

/** SHA-256 over names and texts in the order of the names, each led by its length in bytes (4 bytes, big endian); hexadecimal. */
export function policyHash(set: PolicySet): string {
  const hash = createHash('sha256').update('mayfly policy 1\0')
  for (const name of Object.keys(set).toSorted()) {
    for (const text of [name, set[name] ?? '']) {
      const bytes = Buffer.from(text)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      hash.update(length).update(bytes)
    }
  }
  return hash.digest('hex')
}
