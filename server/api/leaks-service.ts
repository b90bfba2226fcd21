import type { LeakAnswer } from '../../proto/generated/mayfly/v1/LeakAnswer.ts'
import type { LeakReport__Output } from '../../proto/generated/mayfly/v1/LeakReport.ts'
import { mayAct } from '../../src/core/admin-role.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { leakStatement } from '../../src/core/leak.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { verifyPlain } from '../../src/x509/signature.ts'
import { importPublicKey, keyKindOf } from '../../src/x509/spki.ts'
import type { KeyKind } from '../../src/x509/spki.ts'
import { termsOf } from '../limits.ts'
import type { ServerLimits } from '../limits.ts'
import type { Store } from '../store/port.ts'
import { rolesOf } from './authorization.ts'
import type { Standing } from './authorization.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { networkOf } from './caller-network.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { checkReason } from './revocations-service.ts'

export interface LeaksServiceDeps {
  readonly store: Store
  readonly standing: Standing
  readonly clock: Clock
  /** What is live is told by the time of grants, which no leap of the wall clock moves: a clock an hour ahead hides nothing from a revocation. */
  readonly grantTimeMs: () => number
  readonly log: Logger
  readonly trustDomain: TrustDomain
  readonly limits: () => ServerLimits
  /** Keys of the server itself that no report ends, such as that of the revocation stream. */
  readonly isServerKey: (publicKeyHash: string) => boolean
}

/** Of all together, so that many addresses do not add up. */
const termsOfAll = { perSecond: 100, burst: 200 }
const maxKeyBytes = 1_200
const maxSignatureBytes = 1_024

/**
 * `mayfly.v1.Leaks`: a signature by a leaked key ends all that was issued to it and denies the key. Nobody's word is needed, nobody's right: who
 * can sign has the key. A key that nothing was issued to leaves no trace, unless an administrator asks.
 */
export function leaksService(deps: LeaksServiceDeps): Handlers<'mayfly.v1.Leaks', Caller> {
  const ofOne = new Quota(deps.clock, termsOf(deps.limits, 'leakReportsPerSecond'))
  const ofAll = new Quota(deps.clock, termsOfAll)
  return {
    Report: async (report, { peer }) => {
      const admin = mayAct(rolesOf(peer, deps.standing), 'revoke')
      if (!admin) {
        ofOne.take(networkOf(peer), 1)
        ofAll.take('all', 1)
      }
      if (report.denyUnknown && !admin) throw new MayflyError('PERMISSION_DENIED', 'only an administrator with the role revoke may have an unknown key denied')
      return await end(report, peer, admin, deps)
    },
  }
}

async function end(report: LeakReport__Output, caller: Caller, admin: boolean, { store, grantTimeMs, log, trustDomain, isServerKey }: LeaksServiceDeps): Promise<LeakAnswer> {
  const { publicKey, signature, denyUnknown } = report
  if (publicKey.length === 0 || publicKey.length > maxKeyBytes) throw new MayflyError('INVALID_ARGUMENT', `a public key has 1 to ${maxKeyBytes} bytes`)
  if (signature.length === 0 || signature.length > maxSignatureBytes) throw new MayflyError('INVALID_ARGUMENT', `a signature has 1 to ${maxSignatureBytes} bytes`)
  const hash = publicKeyHash(publicKey)
  if (!isSigned(publicKey, leakStatement(trustDomain, hash), signature)) {
    throw new MayflyError('KEY_UNPROVEN', 'the signature is not one of this key over the words of a leak', { hint: `sign them for trust domain ${trustDomain}: docs/revocation.md, a leaked key` })
  }
  const name = toHex(hash)
  if ((await store.authorities.all()).some(({ id }) => id === name)) {
    throw new MayflyError('PRECONDITION_FAILED', 'this is the key of an authority', { hint: 'mayfly authority taint, then mayfly authority revoke' })
  }
  if (isServerKey(name)) throw new MayflyError('PRECONDITION_FAILED', 'this key signs the revocation stream of this server', { hint: 'restart the server: it makes another' })
  const by = { name: nameOf(caller), atMs: grantTimeMs() }
  const reason = admin ? checkReason(report.reason) : ''
  const { known, denied, hits, streamSeq } = await store.targets.endKey(name, { denyUnknown, reason }, by)
  log.warn({ event: 'key.leaked', publicKeyHash: name, known, denied, credentials: hits.credentials, by: by.name, streamSeq }, 'a key said that it has leaked')
  return { known, denied, credentials: hits.credentials, epoch: store.domain.epoch, streamSeq, committedAtMs: by.atMs }
}

function isSigned(publicKey: Uint8Array, statement: Uint8Array, signature: Uint8Array): boolean {
  let kind: KeyKind | undefined
  try {
    kind = keyKindOf(publicKey)
    return kind !== undefined && verifyPlain(importPublicKey(publicKey), kind, statement, signature)
  } catch (error) {
    if (error instanceof MayflyError) throw new MayflyError('INVALID_ARGUMENT', 'not a public key of a kind that mayfly takes', { cause: error })
    return false // openssl throws on signatures of some forms
  }
}
