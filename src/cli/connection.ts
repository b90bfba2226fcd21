import { statSync } from 'node:fs'
import { relative } from 'node:path'

import { MayflyError } from '../core/errors.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import type { Context } from './context.ts'
import { placesOf } from './places.ts'
import type { PlaceOptions } from './places.ts'

/** The server's admin socket. Dispose to close. @throws {MayflyError} UNAVAILABLE when nothing listens there */
export async function connectServer(options: PlaceOptions, context: Context): Promise<RpcChannel> {
  return connect('server', placesOf(options, context).serverSocket, context)
}

/** The agent's admin socket. Dispose to close. @throws {MayflyError} UNAVAILABLE when nothing listens there */
export async function connectAgent(options: PlaceOptions, context: Context): Promise<RpcChannel> {
  return connect('agent', placesOf(options, context).agentSocket, context)
}

/** The agent's Workload API. Dispose to close. @throws {MayflyError} UNAVAILABLE when nothing listens there */
export async function connectWorkloadApi(options: PlaceOptions, context: Context): Promise<RpcChannel> {
  return connect('agent', placesOf(options, context).workloadSocket, context)
}

/** Metadata that the Workload API wants with each call (EP-07). */
export const workloadMetadata = { 'workload.spiffe.io': 'true' } as const

/** For calls that end what may be a hundred thousand things: the server goes on with it in any case. */
export const endingTimeoutMs = 600_000

/** Only a call opens the connection, so a socket that nobody listens on is found out here by its absence or by the call itself. */
async function connect(who: 'server' | 'agent', path: string, context: Context): Promise<RpcChannel> {
  if (!isThere(path)) throw unreachable(who, path, context)
  const { RpcChannel: Channel } = await import('../rpc/channel.ts')
  return Channel.connectUnix(path, { clock: context.clock })
}

/** Where this user may not look, the call itself says so. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

function unreachable(who: 'server' | 'agent', path: string, { cwd }: Pick<Context, 'cwd'>): MayflyError {
  const near = relative(cwd, path)
  return new MayflyError('UNAVAILABLE', `no ${who} listens at ${cwd === '/' || near.startsWith('..') ? path : near}`, {
    hint: who === 'server' ? 'mayfly dev starts one here; --server-socket or $MAYFLY_SERVER_SOCKET names another' : 'mayfly dev starts one here; --agent-socket or $MAYFLY_AGENT_SOCKET names another',
  })
}
