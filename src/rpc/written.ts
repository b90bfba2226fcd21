const bytesOf = new WeakMap<object, Buffer>()

/**
 * A message that is sent as these bytes, whatever is in it: encodings of its type, one after the other, which by protobuf's rules read as one message with their lists joined. So a long list is
 * written down while it grows and not all at once when it is sent, which holds up everything else.
 */
export function written<T extends object>(message: T, parts: readonly Uint8Array[]): T {
  bytesOf.set(message, Buffer.concat(parts))
  return message
}

/** `undefined` for a message that is yet to be encoded. */
export function writtenBytesOf(message: object): Buffer | undefined {
  return bytesOf.get(message)
}
