import type { SecureContext } from 'node:tls'
import { secureContextOf } from '../rpc/tls-context.ts'
import type { X509Source } from './x509-source.ts'
import type { X509Svid } from './x509-svid.ts'

/** TLS with the identity in force, made once for each. @throws {MayflyError} NO_IDENTITY */
export function contextOf(source: X509Source): SecureContext {
  const svid = source.current()
  let context = contexts.get(svid)
  if (context === undefined) contexts.set(svid, (context = secureContextOf(svid)))
  return context
}

const contexts = new WeakMap<X509Svid, SecureContext>()
