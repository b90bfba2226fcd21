import { readFile } from 'node:fs/promises'

import type { Credential__Output as Credential } from '../../../proto/generated/mayfly/v1/Credential.ts'
import { toHex } from '../../core/bytes.ts'
import { MayflyError } from '../../core/errors.ts'
import { formatSerial, parseSerial } from '../../core/serial.ts'
import { parseSpiffeId, trustDomainOf } from '../../core/spiffe-id.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-code.ts'
import type { PlaceOptions } from '../places.ts'
import { timeText, whenText } from '../when.ts'

type Options = PlaceOptions & { readonly json: boolean }

/** What became of a credential. @throws {MayflyError} NOT_FOUND */
export async function explainSerial(text: string, options: Options, context: Context): Promise<number> {
  const serial = formatSerial(parseSerial(text))
  using server = await connectServer(options, context)
  const credential = await credentialOf(serial, server, context)
  if (credential === undefined) throw new MayflyError('NOT_FOUND', `no credential ${serial} in the ledger`, { hint: 'it was never issued here, or is long expired' })
  if (options.json) context.output.json({ credential, verdict: verdictOf(credential, context.clock.nowMs()) })
  else context.output.facts([['serial', serial], ...credentialFacts(credential, context)])
  return exitCodes.ok
}

/** A certificate file: what it says, whether it verifies under the trust domain's bundle now, and what became of it. */
export async function explainCertificate(path: string, options: Options, context: Context): Promise<number> {
  const { output, clock, signal } = context
  const [{ decodeCertificatesPem }, { parseCertificate }, verify] = await Promise.all([import('../../x509/pem.ts'), import('../../x509/certificate.ts'), import('../../verify/index.ts')])
  const chain = decodeCertificatesPem(await readFile(path, 'utf8'))
  const [first] = chain
  if (first === undefined) throw new MayflyError('CERTIFICATE_INVALID', `${path} holds no certificate`)
  const leaf = parseCertificate(first)
  const serial = toHex(leaf.serial)
  using server = await connectServer(options, context)
  const bundle = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal })
  const [uri] = leaf.extensions.subjectAltName?.uris ?? []
  const bundles = verify.BundleSet.of({ trustDomain: trustDomainOf(parseSpiffeId(`spiffe://${bundle.trustDomain}`)), x509Authorities: bundle.x509Authorities.map((authority) => authority.asn1) })
  const verdict = verify.verifyX509Svid(chain, { bundles, allow: () => true, revocation: verify.revocationUnchecked, nowMs: clock.nowMs() })
  const credential = await credentialOf(serial, server, context)
  if (options.json) {
    output.json({ spiffeId: uri ?? null, serial, notBefore: timeText(leaf.notBeforeMs), notAfter: timeText(leaf.notAfterMs), path: verdict.kind === 'accepted' ? 'valid' : verdict.kind, credential: credential ?? null })
    return exitCodes.ok
  }
  output.facts([
    ['id', uri ?? 'none: not an SVID'],
    ['serial', serial],
    ['valid', `${timeText(leaf.notBeforeMs)} to ${timeText(leaf.notAfterMs)}, ${leaf.notAfterMs < clock.nowMs() ? 'ended' : 'ends'} ${whenText(leaf.notAfterMs, clock.nowMs())}`],
    ['path', verdict.kind === 'accepted' ? `verifies under the bundle of ${bundle.trustDomain}` : `${verdict.kind}${'why' in verdict ? `: ${verdict.why}` : ''}`],
    ...(credential === undefined ? [['ledger', `${bundle.trustDomain} knows nothing of it: issued elsewhere, or long expired`] as const] : credentialFacts(credential, context)),
  ])
  if (credential?.state === 'revoked' && credential.entryId !== '') output.line(`hint: mayfly why ${credential.spiffeId} says whether it gets another`)
  return exitCodes.ok
}

async function credentialOf(serial: string, server: RpcChannel, { signal }: Context): Promise<Credential | undefined> {
  try {
    const { credentials } = await server.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial }, pageSize: 1 }, { signal })
    return credentials[0]
  } catch (error) {
    if (error instanceof MayflyError && ['NOT_FOUND', 'SERIAL_INVALID', 'INVALID_ARGUMENT'].includes(error.code)) return undefined
    throw error
  }
}

function credentialFacts(credential: Credential, { clock }: Context): readonly (readonly [string, string])[] {
  return [
    ['credential', `${credential.kind} of ${credential.spiffeId}`],
    ['entry', credential.entryId],
    ['agent', credential.agentId],
    ['owner', credential.owner],
    ['authority', credential.authorityId.slice(0, 16)],
    ['issued', timeText(credential.issuedAtMs)],
    ['state', verdictOf(credential, clock.nowMs())],
    ...usesText('accepted', credential.uses.filter(({ refused }) => !refused)),
    ...usesText('refused', credential.uses.filter(({ refused }) => refused)),
  ]
}

function usesText(label: string, uses: Credential['uses']): readonly (readonly [string, string])[] {
  return uses.map((use, at) => [at === 0 ? label : '', `by ${use.verifier}: ${use.count === 1 ? 'once' : `${use.count} times`}, last ${timeText(use.lastMs)}`])
}

/** What a fresh verifier says of it. */
function verdictOf(credential: Credential, nowMs: number): string {
  const cause = [credential.cause, credential.reason].filter((part) => part !== '').join(': ')
  switch (credential.state) {
    case 'revoked':
      return `revoked ${timeText(credential.endedAtMs)}${cause === '' ? '' : ` (${cause})`}: refused, connections cut`
    case 'superseded':
      return `superseded ${timeText(credential.endedAtMs)}${cause === '' ? '' : ` (${cause})`}: no new handshake`
    case 'abandoned':
      return 'abandoned: written down and never handed out'
    default:
      return credential.notAfterMs < nowMs ? `expired ${whenText(credential.notAfterMs, nowMs)}` : `live, ends ${whenText(credential.notAfterMs, nowMs)}`
  }
}
