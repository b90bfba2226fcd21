import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { journalGenesis, journalHash } from '../../../server/journal/chain.ts'

test('the chain hashes sequence, hash before, kind and payload, each in its own place', () => {
  const bytes = Buffer.concat([Buffer.from('0000000000000102', 'hex'), Buffer.alloc(32, 7), Buffer.from('entries.deleted\0{"ids":["ü"]}', 'utf8')])
  expect(Buffer.from(journalHash(0x102, Buffer.alloc(32, 7), 'entries.deleted', '{"ids":["ü"]}'))).toEqual(createHash('sha256').update(bytes).digest())
})

test('it begins with 32 zero bytes', () => {
  expect(journalGenesis).toEqual(new Uint8Array(32))
})

test('no two different records have the same hash', () => {
  const hashes = [[1, 'a', 'bc'], [1, 'ab', 'c'], [2, 'a', 'bc']].map(([seq, kind, payload]) => Buffer.from(journalHash(Number(seq), journalGenesis, String(kind), String(payload))).toString('hex'))
  expect(new Set(hashes).size).toBe(3)
})
