import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { privateDirectory, readFileBounded, removeFile, writeFileAtomic } from '../../src/system/files.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mf-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('writeFileAtomic', () => {
  test('makes a file for its owner alone, whatever the umask, and leaves nothing beside it', async () => {
    const before = process.umask(0)
    try {
      await writeFileAtomic(join(directory, 'key'), 'secret')
    } finally {
      process.umask(before)
    }
    expect(statSync(join(directory, 'key')).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['key'])
  })

  test('replaces content and mode, and the file a link points at is left alone', async () => {
    const path = join(directory, 'key')
    writeFileSync(join(directory, 'other'), 'other')
    symlinkSync(join(directory, 'other'), path)
    await writeFileAtomic(path, new Uint8Array([1, 2]), 0o644)
    expect([...readFileSync(path)]).toEqual([1, 2])
    expect(statSync(path).mode & 0o777).toBe(0o644)
    expect(readFileSync(join(directory, 'other'), 'utf8')).toBe('other')
  })

  test('when it cannot be done the old content stays and nothing is left beside it', async () => {
    const path = join(directory, 'key')
    mkdirSync(join(path, 'full'), { recursive: true })
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/)
    expect(readdirSync(directory)).toEqual(['key'])
  })
})

test('removeFile removes, twice', async () => {
  await writeFileAtomic(join(directory, 'key'), 'x')
  await removeFile(join(directory, 'key'))
  await removeFile(join(directory, 'key'))
  expect(existsSync(join(directory, 'key'))).toBe(false)
})

describe('privateDirectory', () => {
  test('is made, or closed to others when it is there', async () => {
    const path = join(directory, 'a', 'b')
    await privateDirectory(path)
    chmodSync(path, 0o777)
    await privateDirectory(path)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  test('what is above it is closed to nobody, so that an agent may lie beside a server', async () => {
    const before = process.umask(0o022)
    await privateDirectory(join(directory, 'above', 'server')).finally(() => process.umask(before))
    expect([statSync(join(directory, 'above')).mode & 0o777, statSync(join(directory, 'above', 'server')).mode & 0o777]).toEqual([0o755, 0o700])
  })

  test('a link or a file in its place is refused', async () => {
    symlinkSync(tmpdir(), join(directory, 'link'))
    await expect(privateDirectory(join(directory, 'link'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    writeFileSync(join(directory, 'file'), '')
    await expect(privateDirectory(join(directory, 'file'))).rejects.toThrow(/EEXIST|not a directory/)
  })
})

describe('readFileBounded', () => {
  test('reads up to the limit and not a byte more', async () => {
    writeFileSync(join(directory, 'f'), 'abcd')
    expect(new TextDecoder().decode(await readFileBounded(join(directory, 'f'), 4))).toBe('abcd')
    await expect(readFileBounded(join(directory, 'f'), 3)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    expect(await readFileBounded(join(directory, 'none'), 3)).toBeUndefined()
    expect((await readFileBounded('/proc/self/stat', 4_096))?.length).toBeGreaterThan(10)
  })

  test('a pipe or a directory is refused at once', async () => {
    spawnSync('mkfifo', [join(directory, 'pipe')])
    await expect(readFileBounded(join(directory, 'pipe'), 3)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(readFileBounded(directory, 3)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
