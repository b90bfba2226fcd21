import { createHash } from 'node:crypto'

/** What comes before the first record: 32 zero bytes. */
export const journalGenesis: Uint8Array = new Uint8Array(32)

/** The journal's hash chain: SHA-256(seq, 8 bytes big endian | hash before, 32 bytes | kind | a zero byte | payload), text as UTF-8. */
export function journalHash(seq: number, previous: Uint8Array, kind: string, payload: string): Uint8Array {
  const head = Buffer.alloc(8)
  head.writeBigUInt64BE(BigInt(seq))
  return createHash('sha256').update(head).update(previous).update(`${kind}\0`).update(payload).digest()
}
