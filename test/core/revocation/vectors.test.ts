import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/core/bytes.ts'
import { chainHash, decodeEvent, emptyChainHash } from '../../../src/core/revocation/codec.ts'
import { decodeFrameBody, encodeFrameBody, openFrame, signedBytes } from '../../../src/core/revocation/frame.ts'
import { decodeReport, encodeReport, signedReportBytes } from '../../../src/core/revocation/reports.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { sha256 } from '../../support/revocation/sim-stream.ts'

/** The vectors that docs/revocation.md hands to other implementations: made by test/support/revocation/make-vectors.ts, read here from the text. */
function lines(name: string): string[][] {
  const text = readFileSync(new URL(`../../vectors/revocation/${name}.txt`, import.meta.url), 'utf8')
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(' '))
}

function bytes(hex: string | undefined): Uint8Array {
  return fromHex(hex ?? '') ?? new Uint8Array(0)
}

const chain = lines('chain')
const [, [spki], [keyId]] = lines('key') as [string[], [string], [string]] // the file has three lines of one word

describe('test/vectors/revocation', () => {
  test('chain.txt: every event reads as it says, and the chain hash after it is right', () => {
    let hash = emptyChainHash
    for (const [, event, after, kind, ...fields] of chain) {
      const decoded = decodeEvent(bytes(event))
      hash = chainHash(hash, bytes(event), sha256)
      expect(toHex(hash)).toBe(after)
      expect(Object.values(decoded ?? {}).map(String)).toEqual([kind, ...fields])
    }
    expect(chain.length).toBe(8)
  })

  test('roots.txt: the root of the set after each event', () => {
    for (const [seq, floor, root] of lines('roots')) {
      const set = new RevocationSet()
      set.dropBelow(Number(floor))
      for (const [, event] of chain.slice(0, Number(seq))) set.apply(decodeEvent(bytes(event)) ?? { kind: 'unknown', type: 0 })
      expect(toHex(set.root(sha256))).toBe(root)
    }
  })

  test('frames.txt: every frame has a good signature by the key of key.txt, reads, and has one form', () => {
    const key = createPublicKey({ key: Buffer.from(bytes(spki)), format: 'der', type: 'spki' })
    for (const [hex] of lines('frames')) {
      const opened = openFrame(bytes(hex))
      expect(toHex(opened?.keyId ?? new Uint8Array(0))).toBe(keyId)
      const body = opened?.body ?? new Uint8Array(0)
      expect(verify(null, signedBytes(body, opened?.keyId ?? new Uint8Array(0)), key, opened?.signature ?? new Uint8Array(0))).toBe(true)
      const frame = decodeFrameBody(body)
      expect(frame && toHex(encodeFrameBody(frame))).toBe(toHex(body))
    }
    expect(lines('frames').length).toBe(8)
  })

  test('reports.txt: every report has a good signature by the key of key.txt, reads, and has one form', () => {
    const key = createPublicKey({ key: Buffer.from(bytes(spki)), format: 'der', type: 'spki' })
    const kinds = lines('reports').map(([hex, signature]) => {
      expect(verify(null, signedReportBytes(bytes(hex)), key, bytes(signature))).toBe(true)
      const report = decodeReport(bytes(hex))
      expect(report && toHex(encodeReport(report))).toBe(hex)
      return report?.kind
    })
    expect(kinds).toEqual(['registration', 'receipt', 'uses', 'refusals'])
  })

  test.each(lines('refused').map(([hex, ...why]) => [why.join(' '), hex] as const))('refused.txt: %s', (_why, hex) => {
    expect(decodeFrameBody(bytes(hex))).toBeUndefined()
  })
})
