/** Byte strings one after another in a buffer of their own, so that a message to a thread moves it instead of copying whatever larger buffer each is a view of. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly lengths: readonly number[]
}

export function pack(parts: readonly Uint8Array[]): Packed {
  const lengths = parts.map((part) => part.length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { bytes, lengths }
}

/** Views into the packed buffer. */
export function unpack({ bytes, lengths }: Packed): readonly Uint8Array[] {
  let at = 0
  return lengths.map((length) => bytes.subarray(at, (at += length)))
}
