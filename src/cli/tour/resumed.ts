import { once } from 'node:events'
import process from 'node:process'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'

import { exactly, MayflyError, parseSpiffeId, protect, startRevocationFeed, tlsServerOptions, X509Source } from '../../client/index.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { toHex } from '../../core/bytes.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../x509/pem.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { requireOk } from '../batches.ts'
import type { Context } from '../context.ts'
import { entryToWire } from '../entries.ts'

interface Thief {
  readonly cert: string
  readonly key: string
}

/**
 * A server whose owner left session tickets on, so that TLS itself would let a client back in without a look at its certificate. The client's SVID is
 * revoked; it comes again with its session, until it is turned away. Resolves with the verdict on it. @throws when it got in for longer than a second
 */
export async function resumeAfterRevocation(server: RpcChannel, parentId: string, workloadSocket: string, { clock, signal, trustDomain }: Pick<Context, 'clock' | 'signal'> & { readonly trustDomain: string }): Promise<string> {
  const client = parseSpiffeId(`spiffe://${trustDomain}/buyer`)
  const { results } = await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [entryToWire({ spiffeId: `spiffe://${trustDomain}/till`, parentId, selectors: [`unix:path:${process.execPath}`] })] }, { signal })
  requireOk(results[0]?.status)
  const verdicts: string[] = []
  const log = { debug: () => undefined, info: () => undefined, error: () => undefined, warn: (fact: object) => void verdicts.push(verdictOf(fact)) }
  await using source = await X509Source.start({ endpoint: `unix://${workloadSocket}`, startTimeoutMs: 10_000, signal }, { log })
  await using revocation = await startRevocationFeed(source)
  await revocation.synced
  const till = protect(createServer({ ...tlsServerOptions(source), secureOptions: 0 }, (socket) => void socket.end('in')), source, { allow: exactly(client), revocation })
  till.listen(0, '127.0.0.1')
  await once(till, 'listening')
  try {
    const address = till.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const key = PrivateKey.generate()
    const { svid } = await server.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: [client] })), ttl: 300 }, { signal })
    const [leaf = new Uint8Array(0)] = svid?.certChain ?? []
    const thief: Thief = { cert: encodeCertificatesPem(svid?.certChain ?? []), key: key.toPem() }
    const { session } = await visit(port, thief)
    const before = await visit(port, thief, session)
    if (!before.isIn || !before.isResumed) throw new MayflyError('INTERNAL', 'the session was not resumed before the revocation either')
    const revokedAtMs = clock.nowMs()
    await server.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: toHex(parseCertificate(leaf).serial).padStart(34, '0') }, reason: 'attack' }, { signal })
    do {
      if (!(await visit(port, thief, session)).isIn) return verdicts.at(-1) ?? 'refused'
      await clock.sleep(10, signal)
    } while (clock.nowMs() - revokedAtMs < 1_000)
    throw new MayflyError('EXPECTATION_FAILED', 'it was let through')
  } finally {
    till.close()
  }
}

/** One connection; let in is whoever is spoken to. */
async function visit(port: number, thief: Thief, session?: Buffer): Promise<{ readonly isIn: boolean; readonly isResumed: boolean; readonly session: Buffer | undefined }> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, ...thief, rejectUnauthorized: false, ...(session === undefined ? {} : { session }) })
  let isIn = false
  let isResumed = false
  let given: Buffer | undefined
  socket.on('secureConnect', () => (isResumed = socket.isSessionReused()))
  socket.on('session', (fresh) => (given = fresh))
  socket.on('data', () => (isIn = true))
  socket.on('error', () => undefined) // 'close' follows
  await once(socket, 'close')
  return { isIn, isResumed, session: given }
}

function verdictOf(fact: object): string {
  const verdict: unknown = Reflect.get(fact, 'verdict')
  return typeof verdict === 'object' && verdict !== null ? String(Reflect.get(verdict, 'kind')) : ''
}
