import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'

/** The certificates that the peer showed, DER, leaf first; empty when it showed none. Nothing is verified. */
export function peerChain(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<string>()
  let at: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  // A peer without certificate is an empty object; the last issuer is its own, or absent.
  while (at?.raw !== undefined && !seen.has(at.fingerprint256) && chain.length < maxChainLength) {
    seen.add(at.fingerprint256)
    chain.push(at.raw)
    at = at.issuerCertificate
  }
  return chain
}

const maxChainLength = 10
