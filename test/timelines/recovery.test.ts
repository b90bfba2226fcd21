import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSqliteStore } from '../../server/store/sqlite/open.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { node24, root } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

let folder: string
/** Data of a server that has stopped, and a backup of it. */
let data: string
let backup: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mf-rec-'))
  data = join(folder, 'data')
  backup = join(folder, 'backup')
  await using product = await Product.start()
  for (let n = 0; n < 20; n++) await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://example.org/w${n}`] })), ttl: 600 })
  await product.killServer('SIGTERM')
  await cp(join(product.dir, 'server'), data, { recursive: true, filter: (path) => !path.endsWith('.sock') && !path.includes('/cache') })
  expect(await run('backup', '--to', backup, '--data', data)).toMatchObject({ trustDomain: 'example.org' })
})

afterAll(async () => rm(folder, { recursive: true, force: true }))

function start(...args: readonly string[]): ChildProcess {
  return spawn(node24, [join(root, 'server/recovery/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
}

async function run(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const child = start(...args)
  const [said] = await Promise.all([child.stdout === null ? '' : text(child.stdout), once(child, 'exit')])
  return JSON.parse(said) as Record<string, unknown>
}

async function place(name: string): Promise<string> {
  const path = join(folder, name)
  await mkdir(path)
  return path
}

test('a backup has the database, the keys and a manifest, for its owner alone, and is not made over anything', async () => {
  const names = await readdir(backup, { recursive: true })
  expect(names.toSorted()).toEqual(['keys', expect.stringMatching(/^keys\/authority-[0-9a-f]{16}\.key\.pem$/), 'manifest.json', 'mayfly.db'])
  for (const name of names) expect((await stat(join(backup, name))).mode & 0o077).toBe(0)
  expect(await run('backup', '--to', backup, '--data', data)).toMatchObject({ error: { code: 'ALREADY_EXISTS' } })
  expect(await run('backup', '--to', join(folder, 'none/b'), '--data', data)).toMatchObject({ error: { code: 'STORE_UNWRITABLE' } })
})

test.each<[string, (copy: string) => Promise<void>]>([
  ['a byte of its database changed', async (copy) => {
    const bytes = await readFile(join(copy, 'mayfly.db'))
    bytes[40_000] = (bytes[40_000] ?? 0) ^ 1
    await writeFile(join(copy, 'mayfly.db'), bytes)
  }],
  ['a key is missing', (copy) => rm(join(copy, 'keys'), { recursive: true })],
  ['there is no manifest', (copy) => rm(join(copy, 'manifest.json'))],
  ['its manifest leads elsewhere', async (copy) => {
    const manifest = await readFile(join(copy, 'manifest.json'), 'utf8')
    await writeFile(join(copy, 'manifest.json'), manifest.replace('"keys/authority', '"keys/../../authority'))
  }],
  ['its manifest speaks of another journal', async (copy) => {
    const manifest = await readFile(join(copy, 'manifest.json'), 'utf8')
    await writeFile(join(copy, 'manifest.json'), manifest.replace(/"hash": "[0-9a-f]{8}/, '"hash": "00000000'))
  }],
])('of a backup is nothing restored when %s', async (why, spoil) => {
  const copy = join(folder, `spoilt ${why}`)
  await cp(backup, copy, { recursive: true })
  await spoil(copy)
  const into = await place(`into ${why}`)
  expect(await run('restore', '--from', copy, '--data', into)).toMatchObject({ error: { code: 'BACKUP_INVALID' } })
  expect(await readdir(into)).not.toContain('mayfly.db')
})

test('a restore writes over no database, and not into the data of a server that runs', async () => {
  const copy = join(folder, 'running')
  await cp(data, copy, { recursive: true })
  expect(await run('restore', '--from', backup, '--data', copy)).toMatchObject({ error: { code: 'ALREADY_EXISTS' } })
  const held = start('restore', '--in-place', '--data', copy) // whoever comes second is refused, or comes after
  const ended = once(held, 'exit')
  const second = await run('restore', '--in-place', '--data', copy)
  await ended
  expect([(second['error'] as { code: string } | undefined)?.code ?? 'done']).toEqual([expect.stringMatching(/STORE_LOCKED|done/)])
  expect(await run('restore', '--in-place', '--data', await place('empty'))).toMatchObject({ error: { code: 'NOT_FOUND' } })
})

test('a disk that is full leaves nothing of a backup', async () => {
  const to = join(folder, 'full')
  const child = spawn('bash', ['-c', `trap '' XFSZ; ulimit -f 120; exec "$@"`, 'bash', node24, join(root, 'server/recovery/main.ts'), 'backup', '--to', to, '--data', data], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(JSON.parse(said)).toMatchObject({ error: { code: 'STORE_UNWRITABLE' } })
  expect((await readdir(folder)).filter((name) => name.startsWith('full'))).toEqual([])
})

test('killed at any moment, a restore leaves no database or the whole new one, and a backup its name to nothing that is not whole', async () => {
  let killed = 0
  for (let afterMs = 150; afterMs <= 1_650; afterMs += 300) {
    const into = await place(`killed ${afterMs}`)
    const child = start('restore', '--from', backup, '--data', into)
    const to = join(folder, `killed backup ${afterMs}`)
    const other = start('backup', '--to', to, '--data', data)
    await systemClock.sleep(afterMs, AbortSignal.timeout(10_000))
    const ends = [once(child, 'exit'), once(other, 'exit')]
    if (child.exitCode === null && child.kill('SIGKILL')) killed++
    if (other.exitCode === null) other.kill('SIGKILL')
    if (child.exitCode === null || other.exitCode === null) await Promise.race([Promise.all(ends), systemClock.sleep(5_000, AbortSignal.timeout(10_000))])
    if ((await readdir(folder)).includes(`killed backup ${afterMs}`)) expect(await run('restore', '--from', to, '--data', await place(`from killed ${afterMs}`))).toMatchObject({ trustDomain: 'example.org' })
    const isThere = (await readdir(into)).includes('mayfly.db')
    if (!isThere) expect(await run('restore', '--from', backup, '--data', into)).toMatchObject({ trustDomain: 'example.org', vouchers: 1 })
    await using store = await openSqliteStore({ path: join(into, 'mayfly.db'), trustDomain: undefined, nowMs: systemClock.nowMs() })
    await store.journal.verify()
    expect((await store.authorities.all()).map(({ state, endedByRestore }) => [state, endedByRestore]).toSorted()).toEqual([['active', undefined], ['revoked', 'agents_return']])
  }
  expect(killed).toBeGreaterThan(0)
})
