import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { nonceBytes } from '../../src/attest/nonces.ts'
import { answerX509pop, formatX509popPayload, maxX509popCertificates, parseX509popChallenge } from '../../src/attest/x509pop.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Random } from '../../src/ports/random.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { decodeCertificatesPem } from '../../src/x509/pem.ts'
import { importPublicKey } from '../../src/x509/spki.ts'
import type { X509popConfig } from './config.ts'
import type { NodeAttestor } from './node-attestor.ts'

export interface X509popDeps {
  readonly random: Random
  readonly readFile: (path: string) => Promise<string>
}

/** Proves the key of a certificate that an authority of the server's issued to this machine. The files are read for each attempt: they may have been renewed. */
export function x509pop(config: X509popConfig, { random, readFile }: X509popDeps): NodeAttestor {
  return {
    type: 'x509pop',
    again: true,
    async *attest() {
      const { certificate, intermediates } = config
      const chain = [...certificatesIn('certificate', certificate, await readFile(certificate)), ...(intermediates === undefined ? [] : certificatesIn('intermediates', intermediates, await readFile(intermediates)))]
      const key = keyIn(config.key, await readFile(config.key))
      checkPair(chain, key, config)
      const kind = key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ecdsa'
      const challenge = yield formatX509popPayload(chain)
      yield answerX509pop(kind, key, parseX509popChallenge(kind, challenge), random.bytes(nonceBytes))
    },
  }
}

function certificatesIn(setting: string, path: string, text: string): readonly Uint8Array[] {
  try {
    return decodeCertificatesPem(text)
  } catch (cause) {
    throw problem(setting, `${path} has no certificates in PEM`, cause)
  }
}

function keyIn(path: string, text: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(text)
  } catch {
    throw problem('key', `${path} is no private key in PEM without a passphrase`) // the cause is left out: it could quote the key
  }
  if (key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec') return key
  throw problem('key', `${path} is neither an RSA nor an EC key`)
}

/** What the server would say less clearly. */
function checkPair(chain: readonly Uint8Array[], key: KeyObject, { certificate, key: keyPath }: X509popConfig): void {
  const [leaf] = chain
  if (leaf === undefined) throw problem('certificate', `${certificate} has no certificate`)
  if (chain.length > maxX509popCertificates) throw problem('certificate', `a chain has at most ${maxX509popCertificates} certificates, and not the server's own authority`)
  const own = importPublicKey(parseCertificate(leaf).spki)
  const details = [own, key].map(({ asymmetricKeyType, asymmetricKeyDetails }) => `${asymmetricKeyType ?? ''} ${asymmetricKeyDetails?.namedCurve ?? asymmetricKeyDetails?.modulusLength ?? ''}`)
  if (details[0] !== details[1] || !isPair(own, key)) throw problem('key', `${keyPath} is not the key of the first certificate in ${certificate}`)
}

function isPair(own: KeyObject, key: KeyObject): boolean {
  const jwk = key.export({ format: 'jwk' })
  const other = own.export({ format: 'jwk' })
  return jwk.n === other.n && jwk.x === other.x && jwk.y === other.y
}

function problem(setting: string, why: string, cause?: unknown): MayflyError {
  return new MayflyError('CONFIG_INVALID', `nodeAttestor.x509pop.${setting}: ${why}`, { cause })
}
