/**
 * Java's gRPC puts the raw path of the socket into `:authority`, and the HTTP/2 library inside Node refuses a request whose authority
 * holds a slash. Here the slash becomes a dot on its way in, in place and of the same length, so that both sides' header tables agree.
 * Nothing reads the authority of a Unix socket.
 */

/** Whether a client, by the first bytes that it sent, may be one of those; `undefined` when more bytes are needed. */
export function mayBeJava(sent: Uint8Array): boolean | undefined {
  const view = new DataView(sent.buffer, sent.byteOffset, sent.byteLength)
  for (let at = 0; at < Math.min(sent.length, prefaceBytes); at++) if (sent[at] !== preface.charCodeAt(at)) return false
  if (sent.length < prefaceBytes + frameHeaderBytes) return undefined
  const length = view.getUint32(prefaceBytes) >>> 8
  if (sent[prefaceBytes + 3] !== settingsType || length > 256) return false
  if (sent.length < prefaceBytes + frameHeaderBytes + length) return undefined
  const settings = new Map<number, number>()
  for (let at = prefaceBytes + frameHeaderBytes; at + 6 <= prefaceBytes + frameHeaderBytes + length; at += 6) settings.set(view.getUint16(at), view.getUint32(at + 2))
  // Netty's client allows no pushed streams in these words; so does gRPC's C core (Python), which adds a setting of its own.
  return settings.get(maxConcurrentStreams) === 0 && !settings.has(trueBinaryMetadata)
}

/** Rewrites the authority in every HEADERS frame of what one client sends, chunk by chunk. */
export class AuthorityRewriter {
  #pending: Buffer = Buffer.alloc(0)
  #pass = prefaceBytes

  /** What goes on in place of the chunk; what is missing follows with the next. */
  push(chunk: Buffer): Buffer {
    // A copy, because the chunk may be somebody else's to read.
    const bytes = Buffer.concat([this.#pending, chunk])
    let at = 0
    while (at < bytes.length) {
      if (this.#pass > 0) {
        const passed = Math.min(this.#pass, bytes.length - at)
        this.#pass -= passed
        at += passed
        continue
      }
      if (bytes.length - at < frameHeaderBytes) break
      const length = bytes.readUIntBE(at, 3)
      if (bytes[at + 3] !== headersType || length > maxFrameBytes) {
        this.#pass = frameHeaderBytes + length
        continue
      }
      if (bytes.length - at < frameHeaderBytes + length) break
      rewriteHeaders(bytes.subarray(at + frameHeaderBytes, at + frameHeaderBytes + length), bytes[at + 4] ?? 0)
      at += frameHeaderBytes + length
    }
    this.#pending = bytes.subarray(at)
    return bytes.subarray(0, at)
  }
}

/** @param payload of a HEADERS frame, changed in place */
function rewriteHeaders(payload: Buffer, flags: number): void {
  const padding = (flags & 0x08) === 0 ? 0 : 1 + (payload[0] ?? 0)
  const start = (padding === 0 ? 0 : 1) + ((flags & 0x20) === 0 ? 0 : 5)
  const end = payload.length - Math.max(0, padding - 1)
  if (start < end) rewriteBlock(new HpackCursor(payload.subarray(start, end)))
}

/** Walks the fields of a header block (RFC 7541 6). What is malformed is left to the HTTP/2 library to refuse. */
function rewriteBlock(block: HpackCursor): void {
  while (!block.done) {
    const first = block.peek()
    if (first >= 0x80) block.integer(7)
    else if ((first & 0xe0) === 0x20) block.integer(5)
    else {
      const nameIndex = block.integer(first >= 0x40 ? 6 : 4)
      const isAuthority = nameIndex === 0 ? block.string().text === ':authority' : nameIndex === authorityIndex
      const value = block.string()
      // A Huffman-coded value is no path of Java's: Netty writes anything under 512 bytes as it is.
      if (isAuthority && value.text !== undefined) for (let at = 0; at < value.bytes.length; at++) if (value.bytes[at] === slash) value.bytes[at] = dot
    }
  }
}

class HpackCursor {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  peek(): number {
    return this.#bytes[this.#at] ?? 0
  }

  /** An integer with a prefix of so many bits (RFC 7541 5.1). */
  integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1
    let value = this.#next() & most
    if (value < most) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#next()
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    this.#at = this.#bytes.length
    return 0
  }

  /** A string (RFC 7541 5.2); `text` is unset when it is Huffman-coded. */
  string(): { readonly bytes: Buffer; readonly text: string | undefined } {
    const huffman = this.peek() >= 0x80
    const length = this.integer(7)
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return { bytes, text: huffman ? undefined : bytes.toString('latin1') }
  }

  #next(): number {
    return this.#bytes[this.#at++] ?? 0
  }
}

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const prefaceBytes = 24
const frameHeaderBytes = 9
const maxFrameBytes = 16_384
const headersType = 1
const settingsType = 4
const maxConcurrentStreams = 3
const trueBinaryMetadata = 0xfe03
const authorityIndex = 1
const slash = 0x2f
const dot = 0x2e
