import type { Socket } from 'node:net'
import type { Clock } from '../../src/ports/clock.ts'

/** How a client begins. */
export type Wording = 'http1' | 'http2'

const limitMs = 10_000
/** `PRI ` begins HTTP/2; a request of HTTP/1.1 begins with its method. */
const preface = Buffer.from('PRI ')

/** Tells, once, which protocol a client speaks; what it has sent is left to be read. A client that says nothing is cut. */
export function firstWord(socket: Socket, clock: Clock, told: (wording: Wording) => void): void {
  const spoken = new AbortController()
  let sent: Buffer = Buffer.alloc(0)
  const listen = (chunk: Buffer): void => {
    sent = Buffer.concat([sent, chunk])
    if (sent.length < preface.length) return
    spoken.abort()
    socket.off('data', listen)
    socket.pause()
    socket.unshift(sent)
    told(sent.subarray(0, preface.length).equals(preface) ? 'http2' : 'http1')
    socket.resume() // whoever has it now listens
  }
  socket.on('error', () => undefined) // 'close' follows
  socket.once('close', () => spoken.abort())
  socket.on('data', listen)
  clock.sleep(limitMs, spoken.signal).then(
    () => socket.destroy(),
    () => undefined, // it has spoken, or gone
  )
}
