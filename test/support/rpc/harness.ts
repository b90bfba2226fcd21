import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../../src/ports/clock.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import type { RpcLimits } from '../../../src/rpc/limits.ts'
import { listenUnix } from '../../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../../src/rpc/server.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { KeptLog } from '../agent/quiet.ts'

/** A path for a socket in a folder of its own that is gone when the test is over. */
export function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 's')
}

export interface Harness<Peer> {
  readonly server: RpcServer<Peer>
  readonly path: string
  readonly log: KeptLog
  /** A channel of its own, closed when the test is over. */
  channel(): RpcChannel
}

/** A server on a Unix socket; `peerOf` says who connected. All of it is closed when the test is over. */
export async function startRpc<Peer>(peerOf: (socket: Socket) => Peer, limits: Partial<RpcLimits> = {}, clock: Clock = systemClock): Promise<Harness<Peer>> {
  const log = new KeptLog()
  const server = new RpcServer<Peer>({ log, clock }, limits)
  const path = socketPath()
  const listener = await listenUnix(path, { mode: 0o600, onConnection: (socket) => server.inject(socket, peerOf(socket)) })
  onTestFinished(async () => {
    await listener.close()
    await server.close(0)
  })
  return {
    server,
    path,
    log,
    channel() {
      const channel = RpcChannel.connectUnix(path, { clock: systemClock })
      onTestFinished(() => channel.close())
      return channel
    },
  }
}

/** A promise and what settles it. */
export interface Latch<T = void> {
  readonly promise: Promise<T>
  resolve(value: T): void
}

export function latch<T = void>(): Latch<T> {
  return Promise.withResolvers<T>()
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Yields the items, then waits for the signal, so that the stream stays open. */
export async function* thenWait<T>(items: readonly T[], signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  yield* items
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
