import { expect, test } from 'vitest'
import { CrlEntries } from '../../../server/crl/crl-entries.ts'
import { concatBytes, toHex } from '../../../src/core/bytes.ts'
import { encodeSerial } from '../../../src/core/serial.ts'
import { buildCrl, parseCrl } from '../../../src/x509/crl.ts'
import { authority, nowMs } from '../../support/verify/certificates.ts'

const root = authority('root')
const minute = Math.floor(nowMs / 60_000)

function serialOf(index: number, at = minute, shard = 1): string {
  return toHex(encodeSerial({ shard, minute: at, index, random: new Uint8Array(8).fill(index & 0xff) }))
}

async function listed(entries: CrlEntries): Promise<readonly string[]> {
  const der = await buildCrl({ issuer: root.fields.subject, issuerKeyId: new Uint8Array(20), number: 1n, thisUpdateMs: nowMs, nextUpdateMs: nowMs + 60_000 }, entries.der, root.key)
  return parseCrl(der).serials.map((serial) => toHex(serial))
}

test('what was added is listed once, whatever its reason becomes, and in few pieces', async () => {
  const entries = new CrlEntries()
  const serials = [0, 1, 2].flatMap((later) => Array.from({ length: 200 }, (_, index) => serialOf(index, minute + later)))
  for (const serial of serials) entries.add(serial, nowMs, 'superseded')
  for (const serial of serials) entries.add(serial, nowMs + 1_000, 'keyCompromise')
  entries.add(serialOf(0, minute, 2), nowMs, 'unspecified')
  expect(entries.size).toBe(601)
  expect(entries.der).toHaveLength(3)
  expect(new Set(await listed(entries))).toEqual(new Set([...serials, serialOf(0, minute, 2)]))
})

test('what ended goes by its minute, and no sooner', async () => {
  const entries = new CrlEntries()
  for (const later of [0, 1, 2]) entries.add(serialOf(later, minute + later), nowMs, 'unspecified')
  entries.dropBefore((minute + 1) * 60_000 - 1)
  expect(entries.size).toBe(3)
  entries.dropBefore((minute + 2) * 60_000)
  expect(await listed(entries)).toEqual([serialOf(2, minute + 2)])
})

test('a list longer than 16 MiB is written and read', async () => {
  const entries = new CrlEntries()
  for (let index = 0; index < 1_000; index++) entries.add(serialOf(index), nowMs, 'superseded')
  const many = Array.from({ length: 400 }, () => concatBytes(...entries.der))
  const der = await buildCrl({ issuer: root.fields.subject, issuerKeyId: new Uint8Array(20), number: 1n, thisUpdateMs: nowMs, nextUpdateMs: nowMs + 60_000 }, many, root.key)
  expect(der.length).toBeGreaterThan(0x100_0000)
  expect(parseCrl(der).serials).toHaveLength(400_000)
})
