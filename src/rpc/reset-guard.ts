import { subscribe } from 'node:diagnostics_channel'
import type { ServerHttp2Stream } from 'node:http2'

/** Calls that a connection may take back unanswered, beyond as many as were answered. */
const mostTakenBack = 1_000
const takenBack = new WeakMap<object, number>()
let watching = false

/**
 * Cuts each connection to a server of this process whose peer makes calls only to take them back: rapid reset, CVE-2023-44487. nghttp2
 * has a limit of its own, but parts by a message, which a peer that does not read never lets out.
 */
export function guardResets(): void {
  if (watching) return
  watching = true
  subscribe('http2.server.stream.close', (message) => settle((message as { readonly stream: ServerHttp2Stream }).stream)) // what Node publishes there
}

function settle({ session, headersSent, rstCode }: ServerHttp2Stream): void {
  if (session === undefined || session.destroyed) return
  const before = takenBack.get(session) ?? 0
  const isTakenBack = rstCode !== 0 && !headersSent
  if (!isTakenBack && before === 0) return
  if (before >= mostTakenBack) session.destroy()
  else takenBack.set(session, isTakenBack ? before + 1 : before - 1)
}
