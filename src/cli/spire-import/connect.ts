import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { MayflyError } from '../../core/errors.ts'
import { isAddress } from '../../core/join-line.ts'
import { parseTrustDomain, serverIdOf } from '../../core/spiffe-id.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { secureContextOf } from '../../rpc/tls-context.ts'
import { BundleSet, exactly, revocationUnchecked, verifyX509Svid } from '../../verify/index.ts'
import { decodeCertificatesPem } from '../../x509/pem.ts'
import { usage } from '../arguments.ts'
import type { Context } from '../context.ts'
import { readNamedFile } from '../read-file.ts'

const maxReceiveBytes = 64 * 1024 * 1024

/** Over SPIRE's admin socket. @throws {MayflyError} UNAVAILABLE */
export function connectSpireSocket(socket: string, { clock, cwd }: Pick<Context, 'clock' | 'cwd'>): RpcChannel {
  const path = resolve(cwd, socket)
  if (!existsSync(path)) throw new MayflyError('UNAVAILABLE', `no SPIRE server listens at ${socket}`, { hint: 'its server.conf names the socket: socket_path; run as a user that may use it' })
  return RpcChannel.connectUnix(path, { clock, maxReceiveBytes })
}

/**
 * Over TLS with the SVID of an admin entry, in a folder as `spire-agent api fetch x509 -write` leaves it. The server must be that of
 * the trust domain, by the bundle of that folder. Calls to another fail with UNAVAILABLE,
 * and say so. @throws {MayflyError} USAGE, NOT_FOUND, CERTIFICATE_INVALID
 */
export async function connectSpireTls(address: string, folder: string, trustDomain: string, { clock, cwd }: Pick<Context, 'clock' | 'cwd'>): Promise<RpcChannel> {
  if (!isAddress(address)) throw usage('import spire', `${JSON.stringify(address)} is not host:port`)
  const certificateChain = decodeCertificatesPem(await readNamedFile(join(folder, 'svid.0.pem'), cwd))
  const privateKey = await readKey(join(folder, 'svid.0.key'), cwd)
  const own = parseTrustDomain(trustDomain)
  const bundles = BundleSet.of({ trustDomain: own, x509Authorities: decodeCertificatesPem(await readNamedFile(join(folder, 'bundle.0.pem'), cwd)) })
  return RpcChannel.connectTls({
    clock,
    address,
    maxReceiveBytes,
    context: () => secureContextOf({ certificateChain, privateKey }),
    verifyPeer: (chain) => {
      const verdict = verifyX509Svid(chain, { bundles, allow: exactly(serverIdOf(own)), revocation: revocationUnchecked, nowMs: clock.nowMs() })
      if (verdict.kind !== 'accepted') throw new MayflyError('PEER_REFUSED', `what answers at ${address} is not ${serverIdOf(own)}: ${'why' in verdict ? verdict.why : verdict.kind.replaceAll('_', ' ')}`)
    },
  })
}

async function readKey(file: string, cwd: string): Promise<KeyObject> {
  const pem = await readNamedFile(file, cwd)
  try {
    return createPrivateKey(pem)
  } catch {
    throw new MayflyError('CERTIFICATE_INVALID', `${file} holds no private key that can be read`) // the cause is left out: it could quote the key
  }
}
