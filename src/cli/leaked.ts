import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { MayflyError } from '../core/errors.ts'
import { toHex } from '../core/bytes.ts'
import { leakStatement } from '../core/leak.ts'
import { parseTrustDomain, serverIdOf, trustDomainOf } from '../core/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import { RpcChannel } from '../rpc/channel.ts'
import { secureContextOf } from '../rpc/tls-context.ts'
import { BundleSet, exactly, revocationUnchecked, verifyX509Svid } from '../verify/index.ts'
import { svidOf } from '../verify/leaf.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { publicKeyHash } from '../x509/fingerprint.ts'
import { decodeCertificatesPem } from '../x509/pem.ts'
import { signPlain } from '../x509/signature.ts'
import { usage } from './arguments.ts'
import { connectServer } from './connection.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-code.ts'
import type { PlaceOptions } from './places.ts'
import { readNamedFile } from './read-file.ts'
import { count, exitCodeAfter, waitForReceipts, waitJson, waitLines } from './verifiers.ts'

export interface LeakedOptions extends PlaceOptions {
  readonly json: boolean
  readonly reason: string | undefined
  readonly server: string | undefined
  readonly 'trust-bundle': string | undefined
  readonly 'deny-unknown': boolean
  readonly wait: boolean
}

/** Has a private key say that it has leaked. The key is read and signs here; the signature alone is sent. Yields the exit code. @throws {MayflyError} */
export async function revokeLeaked(file: string, options: LeakedOptions, context: Context): Promise<number> {
  const { output, signal } = context
  if (options['trust-bundle'] !== undefined && options.server === undefined) throw usage('revoke', '--trust-bundle goes with --server')
  if (options['deny-unknown'] && options.server !== undefined) throw usage('revoke', '--deny-unknown is for administrators: over the admin socket, without --server')
  if (options.wait && options.server !== undefined) throw usage('revoke', '--wait is for administrators: over the admin socket, without --server')
  const key = await readKey(file, context.cwd)
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  using server = options.server === undefined ? await connectServer(options, context) : await connectTls(options.server, options, context)
  const { trustDomain } = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', { outputMask: {} }, { signal })
  const hash = publicKeyHash(publicKey)
  const signature = Buffer.from(signPlain(key, leakStatement(parseTrustDomain(trustDomain), hash)))
  const answer = await server.unary('mayfly.v1.Leaks', 'Report', { publicKey, signature, denyUnknown: options['deny-unknown'], reason: options.reason ?? '' }, { signal })
  const { known, denied, credentials, epoch, streamSeq, committedAtMs } = answer
  if (options.json) {
    const waited = options.wait && denied ? await waitForReceipts(answer, server, context) : undefined
    output.json({ publicKeyHash: toHex(hash), known, denied, credentials, ...(denied ? { epoch, streamSeq, committedAtMs } : {}), ...(waited === undefined ? {} : { waited: waitJson(waited) }) })
    return exitCodeAfter(waited)
  }
  const name = toHex(hash).slice(0, 16)
  if (!denied) {
    output.line(`nothing was ever issued to the key ${name} here`)
    output.note('hint: an administrator may deny it all the same: --deny-unknown')
    return exitCodes.ok
  }
  output.line(`the key ${name} is denied; ${count(credentials, 'credential')} ended`)
  if (!options.wait) return exitCodes.ok
  const waited = await waitForReceipts(answer, server, context)
  for (const line of waitLines(waited)) output.line(line)
  return exitCodeAfter(waited)
}

async function readKey(file: string, cwd: string): Promise<KeyObject> {
  const pem = await readNamedFile(file, cwd)
  try {
    return createPrivateKey(pem)
  } catch {
    throw new MayflyError('CERTIFICATE_INVALID', `${file} holds no private key that can be read`, { hint: 'PEM, not encrypted: openssl pkey -in key.pem takes the password off' }) // the cause is left out: it could quote the key
  }
}

/** Without a certificate, as anyone may. Nothing that is sent is secret; whether the answer is the server's own is known only by a bundle. */
async function connectTls(address: string, options: LeakedOptions, { clock, cwd }: Context): Promise<RpcChannel> {
  const file = options['trust-bundle']
  const authorities = file === undefined ? undefined : decodeCertificatesPem(await readNamedFile(file, cwd))
  return RpcChannel.connectTls({
    clock,
    address,
    context: () => secureContextOf(undefined),
    verifyPeer: (chain) => {
      if (authorities === undefined) return
      const trustDomain = trustDomainIn(chain)
      const verdict = verifyX509Svid(chain, { bundles: BundleSet.of({ trustDomain, x509Authorities: authorities }), allow: exactly(serverIdOf(trustDomain)), revocation: revocationUnchecked, issuedHere: true, nowMs: clock.nowMs() })
      if (verdict.kind !== 'accepted') throw new MayflyError('PEER_REFUSED', `the server is not one of this bundle: ${'why' in verdict ? verdict.why : verdict.kind.replaceAll('_', ' ')}`)
    },
  })
}

/** As the peer says; the bundle's authorities then have to bear it out. */
function trustDomainIn([leaf]: readonly Uint8Array[]): TrustDomain {
  const svid = leaf === undefined ? undefined : svidOf(parseCertificate(leaf))
  if (svid?.kind !== 'svid') throw new MayflyError('PEER_REFUSED', 'the server showed no SVID')
  return trustDomainOf(svid.id)
}
