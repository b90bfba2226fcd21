import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { MayflyError } from '../../core/errors.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { agentStatus, serverStatus } from '../commands/status.ts'
import { connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { Installation } from '../dev/installation.ts'

const patienceMs = 20_000

/**
 * A system of its own, whose database is put back to before a revocation while the server is down: then it would issue again what is taken for revoked, and not know whom it ended.
 * Resolves with what an administrator is told who wants a certificate there. @throws when one is signed
 */
export async function rollBack(folder: string, trustDomain: string, context: Context): Promise<MayflyError> {
  await using installation = await Installation.start({ data: join(folder, 'rolled-back'), trustDomain }, context)
  const { places } = installation
  const sockets = { 'server-socket': places.serverSocket, 'agent-socket': places.agentSocket }
  const database = join(places.serverData, 'mayfly.db')
  await installation.server.stop()
  await copyFile(database, join(folder, 'earlier.db'))
  await installation.restartServer()
  {
    using server = await connectServer(sockets, context)
    await mint(server, trustDomain, context)
    await server.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${trustDomain}/thief` }, reason: 'stolen' }, { signal: context.signal })
  }
  const { epoch, streamSeq } = await serverStatus(sockets, context)
  await until(async () => (await agentStatus(sockets, context)).streamSeq >= streamSeq, context)

  await installation.server.stop(true)
  for (const suffix of ['', '-wal', '-shm']) await rm(`${database}${suffix}`, { force: true })
  await copyFile(join(folder, 'earlier.db'), database)
  await installation.restartServer()
  await until(async () => (await serverStatus(sockets, context)).rolledBack?.epoch === epoch, context)
  using server = await connectServer(sockets, context)
  try {
    await mint(server, trustDomain, context)
  } catch (error) {
    if (error instanceof MayflyError && error.code === 'SERVER_ROLLED_BACK') return error
    throw error
  }
  throw new MayflyError('EXPECTATION_FAILED', 'it was signed')
}

async function mint(server: RpcChannel, trustDomain: string, { signal }: Context): Promise<void> {
  const csr = Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${trustDomain}/thief`] }))
  await server.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr, ttl: 300 }, { signal })
}

async function until(holds: () => Promise<boolean>, { clock, signal }: Context): Promise<void> {
  const deadlineMs = clock.bootMs() + patienceMs
  while (!(await holds())) {
    if (clock.bootMs() > deadlineMs) throw new MayflyError('DEADLINE_EXCEEDED', 'nobody noticed within 20 s')
    await clock.sleep(50, signal)
  }
}
