import { parseProfile } from '../../core/profile.ts'
import type { CertificateProfile } from '../../core/profile.ts'
import { parseSpiffeId, parseTrustDomain } from '../../core/spiffe-id.ts'
import { wholeSeconds } from '../../core/validity.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { BundleSet } from '../../verify/index.ts'
import { verifySignerChain } from '../../verify/signer-chain.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { publicKeyHash } from '../../x509/fingerprint.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf } from '../../x509/template.ts'
import { requireOk } from '../batches.ts'
import type { Context } from '../context.ts'
import { entryToWire } from '../entries.ts'
import { letThrough } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { openDoor } from './rogue.ts'
import type { Door, Loot } from './rogue.ts'

const lifeMs = 60_000

/** Whoever took over a server further down has an authority of the trust domain: it names a workload of ours, and certifies a key of the revocation stream. Resolves with how both are refused. */
export async function signBelow(server: RpcChannel, door: Door, rogue: Loot, victim: string, workloadSocket: string, context: Context): Promise<Refusal> {
  const authority = await downstreamAuthority(server, door, rogue, context)
  const trustDomain = parseTrustDomain(door.trustDomain)
  const anchors = BundleSet.of({ trustDomain, x509Authorities: door.authorities }).authoritiesOf(trustDomain)
  const streamKey = signed(authority, PrivateKey.generate('Ed25519').spki, streamProfile, undefined, context)
  const forged = verifySignerChain(streamKey, anchors, context.clock.nowMs())
  if (forged.kind === 'key') throw letThrough('its key of the revocation stream is believed')
  using agent = RpcChannel.connectUnix(workloadSocket, { clock: context.clock })
  const chain = signed(authority, PrivateKey.generate().spki, svidProfile, victim, context).map((der) => Buffer.from(der))
  const { accepted, verdict, reason } = await agent.unary('mayfly.v1.Verifier', 'Check', { chain, class: 'available', allow: [victim] }, { signal: context.signal })
  if (accepted) throw letThrough('the SVID that it signed is accepted')
  return { code: verdict.toUpperCase(), said: `${reason}; and its key of the stream is refused: ${forged.why}` }
}

interface Authority {
  readonly key: PrivateKey
  readonly chain: readonly Uint8Array[]
}

/** By the whole way that a nested server goes: an entry that allows it, an SVID of that, and the call. */
async function downstreamAuthority(server: RpcChannel, door: Door, rogue: Loot, { signal }: Context): Promise<Authority> {
  const id = parseSpiffeId(`spiffe://${door.trustDomain}/nested`)
  const made = await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [entryToWire({ spiffeId: id, parentId: rogue.id, selectors: ['unix:uid:0'], downstream: true })] }, { signal })
  requireOk(made.results[0]?.status)
  const svidKey = PrivateKey.generate()
  using node = openDoor(door, rogue)
  const { results } = await node.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId: made.results[0]?.entry?.entry?.id ?? '', csr: Buffer.from(buildCsr(svidKey)) }] }, { signal })
  requireOk(results[0]?.status)
  using nested = openDoor(door, { id, key: svidKey, chain: results[0]?.svid?.certChain ?? [] })
  const key = PrivateKey.generate()
  const { caCertChain } = await nested.unary('spire.api.server.svid.v1.SVID', 'NewDownstreamX509CA', { csr: Buffer.from(buildCsr(key)) }, { signal })
  return { key, chain: caCertChain }
}

function signed({ key, chain }: Authority, spki: Uint8Array, profile: CertificateProfile, uri: string | undefined, { clock }: Context): readonly Uint8Array[] {
  const issuer = parseCertificate(chain[0] ?? new Uint8Array(0))
  const nowMs = wholeSeconds(clock.nowMs())
  const template = new LeafTemplate(profile, { name: issuer.subject, keyId: issuer.extensions.subjectKeyId ?? new Uint8Array(0), keyKind: key.kind })
  const toBeSigned = template.toBeSigned({ serial: Uint8Array.of(1, 2, 3), notBeforeMs: nowMs - lifeMs, notAfterMs: nowMs + lifeMs, spki, subjectKeyId: subjectKeyIdOf(publicKeyHash(spki)), uri, dnsNames: [] })
  return [certificateOf(toBeSigned, key.sign(toBeSigned), key.kind), ...chain]
}

const common = { ttl: { default: '1m', max: '1h' }, backdate: '1m', keyUsage: ['digitalSignature'] }
const svidProfile = parseProfile({ ...common, name: 'forged-svid', kind: 'svid', keys: ['P-256'], extKeyUsage: ['serverAuth', 'clientAuth'] })
const streamProfile = parseProfile({ ...common, name: 'forged-stream-key', kind: 'stream-signer', keys: ['Ed25519'], subject: { commonName: 'forged' }, extKeyUsage: ['revocationStreamSigning'] })
