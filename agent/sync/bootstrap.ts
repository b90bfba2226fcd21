import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { bundleDigest, parseBundle } from '../../src/x509/bundle.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import { decodeCertificatesPem } from '../../src/x509/pem.ts'
import { channelToServer, channelWithoutTrust } from './server-channel.ts'
import { bundleFromWire, Trust } from './trust.ts'

/** Where the first trust in the server comes from. */
export type Bootstrap =
  /** A join line's SHA-256 over the bundle, 64 hexadecimal digits. */
  | { readonly kind: 'pin'; readonly digest: string }
  /** Text of a bundle file: PEM or SPIFFE's JWK Set. */
  | { readonly kind: 'bundle'; readonly text: string }
  /** Believes whoever answers; only by the flag that says so. */
  | { readonly kind: 'insecure' }

/**
 * The bundle to hold the server against. A pinned one is fetched from whoever answers and believed only if its digest is the pin.
 * @throws {MayflyError} BOOTSTRAP_PIN_MISMATCH, CERTIFICATE_INVALID, UNAVAILABLE
 */
export async function firstTrust(bootstrap: Bootstrap, address: string, trustDomain: TrustDomain, clock: Clock, signal: AbortSignal): Promise<TrustBundle> {
  if (bootstrap.kind === 'bundle') return readBundleText(bootstrap.text, trustDomain)
  const bundle = await fetchBundle(address, clock, signal)
  if (bundle.trustDomain !== trustDomain) {
    throw new MayflyError('BOOTSTRAP_PIN_MISMATCH', `the server at ${address} is of trust domain ${bundle.trustDomain}, not ${trustDomain}`)
  }
  if (bootstrap.kind === 'pin' && toHex(bundleDigest(bundle.x509Authorities)) !== bootstrap.digest) {
    throw new MayflyError('BOOTSTRAP_PIN_MISMATCH', `the bundle of the server at ${address} is not the one that this agent was told to expect`, {
      hint: 'another server answers there, or its authorities have changed since: make a new join line with mayfly token create, or look with mayfly bundle show --format digest',
    })
  }
  return bundle
}

/** The bundle by now, of a server that the one of an earlier life still proves: a pin or a file may be older than that. `undefined` when it does not, or no server answers. */
export async function currentBundle(known: TrustBundle | undefined, address: string, clock: Clock, signal: AbortSignal): Promise<TrustBundle | undefined> {
  if (known === undefined) return undefined
  using channel = channelToServer(address, clock, new Trust(known), undefined, undefined)
  try {
    const bundle = bundleFromWire(await channel.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal, timeoutMs: 10_000 }))
    return bundle.trustDomain === known.trustDomain ? bundle : undefined
  } catch (error) {
    if (error instanceof MayflyError && !signal.aborted) return undefined
    throw error
  }
}

/** A bundle file: PEM or a JWK Set. @throws {MayflyError} CERTIFICATE_INVALID */
export function readBundleText(text: string, trustDomain: TrustDomain): TrustBundle {
  if (text.trimStart().startsWith('{')) return parseBundle(trustDomain, text)
  return { trustDomain, x509Authorities: decodeCertificatesPem(text), sequence: undefined, refreshHintSeconds: undefined }
}

async function fetchBundle(address: string, clock: Clock, signal: AbortSignal): Promise<TrustBundle> {
  using channel = channelWithoutTrust(address, clock)
  return bundleFromWire(await channel.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal, timeoutMs: 10_000 }))
}
