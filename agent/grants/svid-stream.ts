import type { X509BundlesResponse } from '../../proto/generated/X509BundlesResponse.ts'
import type { X509SVIDResponse } from '../../proto/generated/X509SVIDResponse.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { secret } from '../../src/rpc/secret.ts'
import type { Trust } from '../sync/trust.ts'
import { Wake } from '../wake.ts'
import type { HeldGrant } from './held-grant.ts'

/** FetchX509SVID on the socket of a grant: its SVID alone, at once and with each renewal. `admit` reads the facts again before each push of key material. */
export async function* grantSvids(held: HeldGrant, trust: Trust, admit: () => Promise<void>, signal: AbortSignal): AsyncGenerator<X509SVIDResponse, void, undefined> {
  const wake = new Wake()
  using _held = held.changed.on(() => wake.ring())
  using _trust = trust.changed.on(() => wake.ring())
  let sent = ''
  for (;;) {
    await admit()
    signal.throwIfAborted()
    const { svid } = held
    if (svid === undefined && held.grant.state === 'suspended') throw new MayflyError('NO_IDENTITY', 'the grant is suspended', { hint: 'ask again when it has been resumed' })
    if (svid !== undefined) {
      const mark = `${svid.serialHex} ${trust.bundle.sequence ?? 0n}`
      if (mark !== sent) {
        sent = mark
        yield secret({ svids: [{ spiffeId: svid.spiffeId, x509Svid: svid.chainDer, x509SvidKey: svid.pkcs8, bundle: trust.concatenated, hint: '' }], crl: [], federatedBundles: {} })
      }
    }
    await wake.heard(signal)
  }
}

/** FetchX509Bundles there. */
export async function* grantBundles(trust: Trust, admit: () => Promise<void>, signal: AbortSignal): AsyncGenerator<X509BundlesResponse, void, undefined> {
  const wake = new Wake()
  using _ = trust.changed.on(() => wake.ring())
  for (;;) {
    await admit()
    yield { bundles: { [trust.spiffeId]: trust.concatenated }, crl: [] }
    await wake.heard(signal)
  }
}
