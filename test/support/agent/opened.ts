import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { systemClock } from '../../../src/system/clock.ts'

const never = new AbortController().signal

/** A connection to a Unix socket. Tries again while the queue of the listener is full. */
export async function opened(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path)
    const connected = once(socket, 'connect')
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.resume()
    try {
      await connected
      return socket
    } catch {
      await systemClock.sleep(1, never)
    }
  }
}
