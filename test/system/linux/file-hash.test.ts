import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileHashes } from '../../../src/system/linux/file-hash.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mf-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('FileHashes', () => {
  test('the hash of all bytes, over many pieces', async () => {
    const content = Buffer.alloc(700_000, 'mayfly')
    writeFileSync(join(directory, 'f'), content)
    expect(await new FileHashes().sha256(join(directory, 'f'), content.length)).toMatchObject({ kind: 'hashed', sha256: sha256(content) })
    expect(await new FileHashes().sha256(join(directory, 'f'), content.length - 1)).toMatchObject({ kind: 'too_large', file: { size: 700_000n } })
    writeFileSync(join(directory, 'empty'), '')
    expect(await new FileHashes().sha256(join(directory, 'empty'), 0)).toMatchObject({ kind: 'hashed', sha256: sha256('') })
  })

  test('content that is written anew is hashed anew, even when its size and mtime are put back', async () => {
    const hashes = new FileHashes()
    const path = join(directory, 'f')
    for (const text of ['one', 'two']) {
      writeFileSync(path, text)
      utimesSync(path, 1, 1)
      expect(await hashes.sha256(path, 10)).toMatchObject({ sha256: sha256(text) })
    }
  })

  test('many that ask at once, for more files than are remembered, each get their own and leave no descriptor', async () => {
    const hashes = new FileHashes(2)
    const texts = Array.from({ length: 40 }, (_, at) => `content ${at % 10}`)
    texts.forEach((text, at) => at < 10 && writeFileSync(join(directory, text), text))
    const before = readdirSync('/proc/self/fd').length
    const found = await Promise.all(texts.map(async (text) => hashes.sha256(join(directory, text), 100)))
    expect(found.map((hash) => (hash.kind === 'hashed' ? hash.sha256 : hash.kind))).toEqual(texts.map(sha256))
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  test('a directory, or nothing, is unreadable', async () => {
    expect(await new FileHashes().sha256(directory, 10_000)).toEqual({ kind: 'unreadable' })
    expect(await new FileHashes().sha256(join(directory, 'none'), 10)).toEqual({ kind: 'unreadable' })
  })
})

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
