/** HTTP/2 by hand: what no library would send. */
export const frameTypes = { data: 0, headers: 1, rst: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const
export const endStream = 0x1
export const endHeaders = 0x4
export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

/** HPACK: literals without indexing and without Huffman code. */
function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), hpackString(name), hpackString(value)]))
}

export function grpcHeaders(method: string, more: readonly (readonly [string, string])[] = []): Buffer {
  return headerBlock([[':method', 'POST'], [':scheme', 'http'], [':path', method], [':authority', 'localhost'], ['content-type', 'application/grpc'], ['te', 'trailers'], ['workload.spiffe.io', 'true'], ...more])
}

/** Preface, settings and one whole call with an empty message on stream 1. */
export function oneCall(method: string): Buffer {
  return Buffer.concat([preface, http2Frame(frameTypes.settings, 0, 0), http2Frame(frameTypes.headers, endHeaders, 1, grpcHeaders(method)), http2Frame(frameTypes.data, endStream, 1, Buffer.alloc(5))])
}

export interface SeenFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** Cuts what a server sends into frames, however it comes in pieces. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  take(bytes: Buffer): SeenFrame[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const frames: SeenFrame[] = []
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < 9 + length) break
      frames.push({ type: this.#rest[3] ?? 0, flags: this.#rest[4] ?? 0, stream: this.#rest.readUInt32BE(5), payload: this.#rest.subarray(9, 9 + length) })
      this.#rest = this.#rest.subarray(9 + length)
    }
    return frames
  }
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([hpackInteger(bytes.length), bytes])
}

/** With a prefix of seven bits. */
function hpackInteger(value: number): Buffer {
  if (value < 127) return Buffer.of(value)
  const octets = [127]
  let rest = value - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128)
  octets.push(rest)
  return Buffer.from(octets)
}
