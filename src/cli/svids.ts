import type { X509SVIDResponse__Output as X509SvidResponse } from '../../proto/generated/X509SVIDResponse.ts'
import { toHex } from '../core/bytes.ts'
import { DerReader } from '../core/der/reader.ts'
import { MayflyError } from '../core/errors.ts'
import { parseSpiffeId, trustDomainOf } from '../core/spiffe-id.ts'
import type { CallOptions, RpcChannel } from '../rpc/channel.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { Certificate } from '../x509/certificate.ts'
import { encodeCertificatesPem, encodePem } from '../x509/pem.ts'
import { workloadMetadata } from './connection.ts'
import type { Output } from './output.ts'
import { timeText, whenText } from './when.ts'

/** One identity as the Workload API hands it out. */
export interface FetchedSvid {
  readonly spiffeId: string
  readonly hint: string
  readonly serial: string
  readonly leaf: Certificate
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** PKCS#8, DER. */
  readonly key: Uint8Array
  /** DER, the authorities of its trust domain. */
  readonly authorities: readonly Uint8Array[]
  /** DER, what of revoked certificates the agent sends for verifiers that know only lists; none unless an entry asks for it. */
  readonly crls: readonly Uint8Array[]
  /** Of other trust domains that the workload federates with, by their SPIFFE IDs: DER, their authorities. */
  readonly federated: Readonly<Record<string, readonly Uint8Array[]>>
}

/** As any call that is answered once. */
const fetchTimeoutMs = 30_000

async function* streamOf(workloadApi: RpcChannel, options: Pick<CallOptions, 'signal' | 'timeoutMs'>): AsyncGenerator<readonly FetchedSvid[]> {
  for await (const response of workloadApi.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { ...options, metadata: workloadMetadata })) yield svidsOf(response)
}

/** Every message is the full state: WX. */
function svidsOf(response: X509SvidResponse): readonly FetchedSvid[] {
  const federated = Object.fromEntries(Object.entries(response.federatedBundles).map(([name, bundle]) => [name, splitDer(bundle)]))
  return response.svids.map((svid) => {
    const chain = splitDer(svid.x509Svid)
    const [first] = chain
    if (first === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'the agent sent an identity without a certificate')
    const leaf = parseCertificate(first)
    return { spiffeId: svid.spiffeId, hint: svid.hint, serial: toHex(leaf.serial), leaf, chain, key: svid.x509SvidKey, authorities: splitDer(svid.bundle), crls: response.crl, federated }
  })
}

/** States of this process's identities, as long as the agent sends them. */
export async function* watchSvids(workloadApi: RpcChannel, signal: AbortSignal): AsyncGenerator<readonly FetchedSvid[]> {
  yield* streamOf(workloadApi, { signal })
}

/** The first state. @throws {MayflyError} NO_IDENTITY when no entry is for this process, DEADLINE_EXCEEDED when the agent says nothing for half a minute */
export async function fetchSvids(workloadApi: RpcChannel, signal: AbortSignal): Promise<readonly FetchedSvid[]> {
  for await (const svids of streamOf(workloadApi, { signal, timeoutMs: fetchTimeoutMs })) return svids
  throw new MayflyError('UNAVAILABLE', 'the agent closed the connection before it answered')
}

/** For `--json`: public facts alone, keys go to files. */
export function svidToJson(svid: FetchedSvid): Record<string, unknown> {
  return {
    spiffeId: svid.spiffeId,
    ...(svid.hint === '' ? {} : { hint: svid.hint }),
    serial: svid.serial,
    notBefore: timeText(svid.leaf.notBeforeMs),
    notAfter: timeText(svid.leaf.notAfterMs),
    dnsNames: svid.leaf.extensions.subjectAltName?.dns ?? [],
    chain: encodeCertificatesPem(svid.chain),
    bundle: encodeCertificatesPem(svid.authorities),
    ...(Object.keys(svid.federated).length === 0 ? {} : { federatedBundles: Object.fromEntries(Object.entries(svid.federated).map(([name, authorities]) => [name, encodeCertificatesPem(authorities)])) }),
  }
}

export function printSvid(output: Output, svid: FetchedSvid, nowMs: number): void {
  output.facts([
    ['id', svid.spiffeId],
    ['hint', svid.hint],
    ['serial', svid.serial],
    ['valid', `${timeText(svid.leaf.notBeforeMs)} to ${timeText(svid.leaf.notAfterMs)}, ends ${whenText(svid.leaf.notAfterMs, nowMs)}`],
    ['trust domain', `${trustDomainOf(parseSpiffeId(svid.spiffeId))}, ${svid.authorities.length} ${svid.authorities.length === 1 ? 'authority' : 'authorities'}`],
    ['federates with', Object.entries(svid.federated).map(([name, authorities]) => `${name.slice('spiffe://'.length)}, ${authorities.length} ${authorities.length === 1 ? 'authority' : 'authorities'}`).join('; ')],
  ])
}

export interface PemFiles {
  readonly svid: string
  readonly key: string
  readonly bundle: string
}

export function pemOf(svid: FetchedSvid): PemFiles {
  return { svid: encodeCertificatesPem(svid.chain), key: encodePem('PRIVATE KEY', svid.key), bundle: encodeCertificatesPem(svid.authorities) }
}

/** DER values one after another. */
function splitDer(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = DerReader.over(bytes)
  const parts: Uint8Array[] = []
  while (!reader.done) parts.push(reader.readWhole())
  return parts
}
