import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import { SvidFileSet, type SvidFileSetOptions, type SvidFileTexts } from '../../../src/cli/svid-files/file-set.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { isRoot } from '../../support/processes/processes.ts'
import { node24, Program, root } from '../../support/product/process.ts'
import { testAuthority } from '../../support/ca/test-ca.ts'

const names = { svid: 'svid.pem', key: 'key.pem', bundle: 'bundle.pem', crl: 'crl.pem' }
const texts = (what: string, crl?: string): SvidFileTexts => ({ svid: `svid ${what}`, key: `key ${what}`, bundle: `bundle ${what}`, crl })
let dir: string

beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'mf-')), 'tls')
})

afterEach(() => {
  rmSync(join(dir, '..'), { recursive: true, force: true })
})

async function opened(options: Partial<SvidFileSetOptions> = {}): Promise<SvidFileSet> {
  const set = await SvidFileSet.open(dir, { names, ...options })
  onTestFinished(() => set[Symbol.dispose]())
  return set
}

const read = (name: string): string => readFileSync(join(dir, name), 'utf8')
const visible = (): readonly string[] => readdirSync(dir).filter((name) => !name.startsWith('.')).toSorted()
const states = (): readonly string[] => readdirSync(dir).filter((name) => name.startsWith('.svid-'))

describe('the files of an identity', () => {
  test('are there under their names, the key for its owner alone, whatever the umask', async () => {
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const set = await opened()
    await set.write(texts('one', 'lists'))
    expect([read('svid.pem'), read('key.pem'), read('bundle.pem'), read('crl.pem')]).toEqual(['svid one', 'key one', 'bundle one', 'lists'])
    expect([dir, join(dir, 'key.pem'), join(dir, 'svid.pem')].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual(['700', '600', '644'])
  })

  test.skipIf(!isRoot)('of a group: it reads all, nobody else anything', async () => {
    const set = await opened({ groupId: 4_242 })
    await set.write(texts('one'))
    for (const [path, mode] of [[dir, '750'], [realpathSync(join(dir, 'current')), '750'], [join(dir, 'key.pem'), '640'], [join(dir, 'svid.pem'), '640']] as const) {
      const stat = statSync(path)
      expect([(stat.mode & 0o777).toString(8), stat.gid], path).toEqual([mode, 4_242])
    }
  })

  test('all change with one link, and those before stay until they are tidied away', async () => {
    const set = await opened()
    await set.write(texts('one', 'lists'))
    const first = realpathSync(join(dir, 'current'))
    await set.write(texts('two'))
    expect(read('key.pem')).toBe('key two')
    expect(readFileSync(join(first, 'key.pem'), 'utf8')).toBe('key one')
    expect(visible()).toEqual(['bundle.pem', 'current', 'key.pem', 'svid.pem']) // no list any more
    await set.tidy()
    expect(existsSync(first)).toBe(false)
    expect(states()).toEqual([readlinkSync(join(dir, 'current'))])
  })

  test('one that another tool wrote there is replaced; what is none of ours stays', async () => {
    mkdirSync(dir)
    writeFileSync(join(dir, 'key.pem'), 'of another')
    writeFileSync(join(dir, 'readme'), 'keep')
    const set = await opened()
    await set.write(texts('one'))
    expect(read('key.pem')).toBe('key one')
    expect(await set.remove()).toBe(true)
    expect(visible()).toEqual(['readme'])
    expect(states()).toEqual([])
    expect(await set.remove()).toBe(false)
  })

  test('what a killed run left is cleared away by the next, under its names too', async () => {
    const before = await SvidFileSet.open(dir, { names: { ...names, svid: 'tls.crt' } })
    await before.write(texts('one'))
    before[Symbol.dispose]()
    mkdirSync(join(dir, '.svid-left'))
    writeFileSync(join(dir, 'current.new'), 'left')
    const set = await opened()
    await set.write(texts('two'))
    await set.tidy()
    expect(visible()).toEqual(['bundle.pem', 'current', 'key.pem', 'svid.pem'])
    expect(states()).toHaveLength(1)
  })

  test.skipIf(isRoot)('a state that cannot be written leaves the one before', async () => {
    const set = await opened()
    await set.write(texts('one'))
    chmodSync(dir, 0o500)
    await expect(set.write(texts('two'))).rejects.toThrow()
    chmodSync(dir, 0o700)
    expect(read('key.pem')).toBe('key one')
  })

  test('a folder under one of the names is not replaced, and said', async () => {
    mkdirSync(join(dir, 'key.pem'), { recursive: true })
    const set = await opened()
    await expect(set.write(texts('one'))).rejects.toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  test('two do not keep files in one directory', async () => {
    await opened()
    await expect(SvidFileSet.open(dir, { names })).rejects.toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }))
  })

  test.each([['../key.pem'], ['.key'], [''], ['current'], ['svid.pem'], ['/etc/passwd']])('no file is named %j', async (key) => {
    const refused = await SvidFileSet.open(dir, { names: { ...names, key } }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(MayflyError)
    expect(refused).toMatchObject({ code: 'USAGE' })
  })
})

test('over 1,000 rotations another process never reads a certificate with the key of another', async () => {
  const pairs = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { key, certificate } = await testAuthority({ nowMs: () => Date.UTC(2026, 0, 1) })
      return { svid: encodeCertificatesPem([certificate.raw]), key: key.toPem(), bundle: 'bundle', crl: undefined }
    }),
  )
  rmSync(join(dir, '..'), { recursive: true })
  dir = join(mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mf-')), 'tls') // a thousand states on a disk take minutes
  const set = await opened({ names: { ...names, combined: 'both.pem' } })
  const write = async (at: number): Promise<void> => set.write(pairs[at % pairs.length] ?? texts('none'))
  await write(0)
  const reader = new Program(node24, [join(root, 'test/support/cli/read-pair.mjs'), dir])
  onTestFinished(async () => void (await reader.kill()))
  for (let at = 1; at <= 1_000; at++) await write(at)
  reader.child.stdin?.end()
  const { reads, torn, states: seen } = await reader.event('read')
  expect(torn).toBe(0)
  expect(Number(reads)).toBeGreaterThan(100)
  expect(Number(seen)).toBeGreaterThan(10)
})
