import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { geteuid } from 'node:process'
import { onTestFinished } from 'vitest'
import type { ServerConfig } from '../../../server/config.ts'
import { parseServerConfig } from '../../../server/config.ts'
import type { ServerDeps } from '../../../server/deps.ts'
import { Server } from '../../../server/server.ts'
import { parseSpiffeId, parseTrustDomain, pathOf } from '../../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../../src/core/spiffe-id.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import type { Request, ResponseOutput } from '../../../src/rpc/services.ts'
import { secureContextOf } from '../../../src/rpc/tls-context.ts'
import type { TlsIdentity } from '../../../src/rpc/tls-context.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { resolve } from '../../../src/system/resolve.ts'
import { runCommand } from '../../../src/system/run-command.ts'
import { FileLock } from '../../../src/system/file-lock.ts'
import * as files from '../../../src/system/files.ts'
import { peerCredentials } from '../../../src/system/linux/peer-credentials.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { KeptLog } from '../agent/quiet.ts'

export const trustDomain: TrustDomain = parseTrustDomain('example.org')

export interface TestServer {
  readonly server: Server
  readonly log: KeptLog
  readonly dataDir: string
  /** Of this process, which administers. */
  readonly admin: RpcChannel
  /** A channel over TLS; without an identity no certificate is shown. */
  tls(identity?: TlsIdentity): RpcChannel
  /** Makes a token and joins with it. */
  join(): Promise<TestAgent>
  /** Makes entries below a parent; fails when one is refused. Returns their ids. */
  createEntries(parentId: string, paths: readonly string[], more?: Partial<WireEntry>): Promise<readonly string[]>
  stop(): Promise<void>
}

export interface TestAgent {
  readonly id: string
  readonly key: PrivateKey
  readonly identity: TlsIdentity
  readonly channel: RpcChannel
}

export type WireEntry = NonNullable<NonNullable<Request<'spire.api.server.entry.v1.Entry', 'BatchCreateEntry'>['entries']>[number]>

/** A real server in this process, on a temporary folder; everything is closed when the test is over. */
export async function startServer(options: { readonly dataDir?: string; readonly config?: Partial<ServerConfig>; readonly deps?: Partial<ServerDeps> } = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? temporaryFolder()
  const log = new KeptLog()
  const config = { ...parseServerConfig('', { trustDomain, dataDir, listen: '127.0.0.1:0', drain: '200ms' }, 'test', geteuid?.() ?? 0), dev: true, ...options.config }
  const server = await Server.start(config, {
    clock: systemClock,
    random: systemRandom,
    log,
    files,
    runCommand,
    resolve,
    lock: async (path) => {
      const lock = FileLock.acquire(`${path}.lock`)
      return { [Symbol.asyncDispose]: async () => lock[Symbol.dispose]() }
    },
    peerCredentials,
    ownUid: geteuid?.() ?? 0,
    rssBytes: () => process.memoryUsage.rss(),
    version: 'test',
    logLevels: { current: config.logLevel },
    ...options.deps,
  })
  const channels: RpcChannel[] = []
  const kept = (channel: RpcChannel): RpcChannel => {
    channels.push(channel)
    return channel
  }
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      for (const channel of channels) channel.close()
      await server[Symbol.asyncDispose]()
    })())
  onTestFinished(stop)
  const admin = kept(RpcChannel.connectUnix(server.adminSocket, { clock: systemClock }))
  const tls = (identity?: TlsIdentity): RpcChannel =>
    kept(RpcChannel.connectTls({ clock: systemClock, address: server.address, context: () => secureContextOf(identity), verifyPeer: () => undefined }))
  return {
    server,
    log,
    dataDir,
    admin,
    tls,
    join: async () => {
      const token = await admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 600 })
      return await attest(tls(), tls, token.value)
    },
    createEntries: async (parentId, paths, more = {}) => {
      const entries = paths.map((path) => wireEntry(path, parentId, more))
      const { results } = await admin.unary('spire.api.server.entry.v1.Entry', 'BatchCreateEntry', { entries })
      return results.map(({ status, entry }) => {
        if (status?.code !== 0) throw new Error(`an entry was refused: ${status?.message ?? 'no status'}`)
        return entry?.id ?? ''
      })
    },
    stop,
  }
}

/** Attests over a channel without certificate. */
export async function attest(channel: RpcChannel, tls: (identity: TlsIdentity) => RpcChannel, token: string, key: PrivateKey = PrivateKey.generate()): Promise<TestAgent> {
  const result = await attestOnce(channel, token, buildCsr(key))
  const certificateChain = result?.svid?.certChain ?? []
  const identity = { certificateChain, privateKey: key.keyObject }
  const id = `spiffe://${result?.svid?.id?.trustDomain ?? ''}${result?.svid?.id?.path ?? ''}`
  return { id, key, identity, channel: tls(identity) }
}

export async function attestOnce(
  channel: RpcChannel,
  payload: string,
  csr: Uint8Array,
  type = 'join_token',
): Promise<ResponseOutput<'spire.api.server.agent.v1.Agent', 'AttestAgent'>['result']> {
  async function* requests(): AsyncGenerator<Request<'spire.api.server.agent.v1.Agent', 'AttestAgent'>> {
    yield { params: { data: { type, payload: Buffer.from(payload) }, params: { csr } } }
  }
  for await (const response of channel.bidi('spire.api.server.agent.v1.Agent', 'AttestAgent', requests())) return response.result
  throw new Error('no answer')
}

export function wireEntry(path: string, parentId: string, more: Partial<WireEntry> = {}): WireEntry {
  return { spiffeId: wireId(`spiffe://${trustDomain}${path}`), parentId: wireId(parentId), selectors: [{ type: 'unix', value: 'uid:4242' }], ...more }
}

export function wireId(text: string): { readonly trustDomain: string; readonly path: string } {
  const id = parseSpiffeId(text)
  const path = pathOf(id)
  return { trustDomain: id.slice('spiffe://'.length, id.length - path.length), path }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** As a peer of another uid would look. */
export function credentialsOf(uid: number): (socket: Socket) => { readonly uid: number; readonly pid: number } {
  return () => ({ uid, pid: 1 })
}
