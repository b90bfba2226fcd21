import { expect, test } from 'vitest'
import { OwnVerifier } from '../../../agent/check/own-verifier.ts'
import { Notifier } from '../../../agent/notifier.ts'
import { VerifierReports } from '../../../agent/relay/verifier-reports.ts'
import { agentSvidOf } from '../../../agent/sync/agent-svid.ts'
import { decodeReport, signedReportBytes, type Report } from '../../../src/core/revocation/reports.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { RevocationReader } from '../../../src/verify/reader.ts'
import { keyKindOf, importPublicKey } from '../../../src/x509/spki.ts'
import { verifyPlain } from '../../../src/x509/signature.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SignedSimStream } from '../../support/revocation/signed-sim-stream.ts'
import { authority, leaf, nowMs, serialFor, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
const own = leaf(root, { uri: `spiffe://${trustDomain}/spire/agent/join_token/one` })

/** What has gone on, in its order; signatures are those of the agent's SVID. */
function said(reports: VerifierReports): Report[] {
  const message = reports.next()
  return [...(message?.registrations ?? []), ...(message?.receipts ?? []), ...(message?.uses ?? [])].map(({ body, signature }) => {
    const [bytes, made] = [body, signature].map((part) => (part instanceof Uint8Array ? part : new Uint8Array(0)))
    if (bytes === undefined || made === undefined) throw new Error('never')
    const report = decodeReport(bytes)
    const kind = keyKindOf(own.key.spki)
    if (report === undefined || kind === undefined) throw new Error('a report that cannot be read')
    expect(verifyPlain(importPublicKey(own.key.spki), kind, signedReportBytes(bytes), made)).toBe(true)
    return report
  })
}

test('an agent that nobody asks is no verifier; at its first yes it registers with its own SVID, and says whom it accepted', async () => {
  const clock = new FakeClock(nowMs)
  const log = new KeptLog()
  const stream = new SignedSimStream(root)
  stream.append({ kind: 'authority_indexed', authorityId: root.id })
  const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
  const reader = new RevocationReader({ clock, anchors: () => bundles.authoritiesOf(trustDomain) })
  for (const frame of stream.snapshots()) reader.accept(frame)
  const changed = new Notifier<void>()
  const reports = new VerifierReports()
  const svid = agentSvidOf(own.key, [own.der])
  const verifier = new OwnVerifier({ class: 'available', software: 'mayfly agent 1' }, { clock, random: new SeededRandom(), log, relay: { reader, changed }, reports, svid: () => svid })
  await clock.advance(15_000)
  expect(reports.size).toBe(0)

  const serial = serialFor(nowMs + 900_000, 3)
  verifier.used(serial)
  verifier.used(serial)
  await clock.advance(500)
  expect(said(reports)).toMatchObject([{ kind: 'registration', class: 'available', software: 'mayfly agent 1' }, { kind: 'receipt', seq: 1 }])
  await clock.advance(10_000)
  expect(said(reports)).toMatchObject([{ kind: 'uses', uses: [{ serial: Buffer.from(serial), count: 2 }] }])

  stream.append({ kind: 'revoked', shard: 1, minute: 29_000_000, index: 1 })
  reader.accept(stream.batchOf(2))
  changed.emit()
  await clock.advance(500)
  expect(said(reports)).toMatchObject([{ kind: 'receipt', seq: 2 }])

  expect(reports.size).toBe(1)
  await verifier[Symbol.asyncDispose]()
  expect(reports.size).toBe(0)
  expect(clock.sleeping).toBe(0)
})
