import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import { openSqliteStore } from '../../../server/store/sqlite/open.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { openAt, temporaryFolder } from '../../support/store/open.ts'
import { by, nowMs, spec, trustDomain } from '../../support/store/samples.ts'

test('a store that another process has is refused, and free again once that process was killed', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await (await openAt(path))[Symbol.asyncDispose]()
  const holder = spawn(process.execPath, [join(import.meta.dirname, '../../support/store/hold.ts'), path], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  await expect(openAt(path)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  const exited = once(holder, 'exit')
  holder.kill('SIGKILL')
  await exited
  await (await openAt(path))[Symbol.asyncDispose]()
})

test('the lock given by the caller is taken before the file is touched and given back after it is closed', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const said: string[] = []
  const lock = async (locked: string): Promise<AsyncDisposable> => {
    said.push(`locked ${locked === path}`)
    return { [Symbol.asyncDispose]: async () => void said.push('unlocked') }
  }
  const store = await openAt(path, { lock })
  expect(said).toEqual(['locked true'])
  await store[Symbol.asyncDispose]()
  expect(said).toEqual(['locked true', 'unlocked'])
  const refuse = async (): Promise<AsyncDisposable> => {
    throw new MayflyError('STORE_LOCKED', 'process 17 has it')
  }
  await expect(openAt(join(folder.path, 'other.db'), { lock: refuse })).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  await expect(readFile(join(folder.path, 'other.db'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('a file of a newer version is refused and left as it is', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await (await openAt(path))[Symbol.asyncDispose]()
  change(path, 'PRAGMA user_version = 999')
  const before = await readFile(path)
  await expect(openAt(path)).rejects.toMatchObject({ code: 'STORE_NEWER' })
  expect(await readFile(path)).toEqual(before)
})

test('a store of another trust domain is refused', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await (await openAt(path))[Symbol.asyncDispose]()
  await expect(openSqliteStore({ path, trustDomain: parseTrustDomain('other.org'), nowMs })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a file that is no store is refused', async () => {
  await using folder = await temporaryFolder()
  const text = join(folder.path, 'text.db')
  await writeFile(text, 'not a database at all, but long enough to be looked at as if it were one; '.repeat(20))
  await expect(openAt(text)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  const other = join(folder.path, 'other.db')
  change(other, 'CREATE TABLE mine (a)')
  await expect(openAt(other)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
})

test('a refusal arrives however the last message and the exit of the worker fall together', async () => {
  await using folder = await temporaryFolder()
  const text = join(folder.path, 'text.db')
  await writeFile(text, 'no database; '.repeat(100))
  let refused = 0
  for (let n = 0; n < 40; n++) void openAt(text).catch(() => refused++)
  const idle = new Int32Array(new SharedArrayBuffer(4))
  // this thread looks up now and then only, and finds the messages and exits of several workers at once
  await vi.waitFor(() => {
    Atomics.wait(idle, 0, 0, 20)
    expect(refused).toBe(40)
  }, { timeout: 60_000, interval: 1 })
})

test('a folder that does not exist is an error that names no success', async () => {
  await expect(openAt('/nonexistent/folder/mayfly.db')).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
})

test('damaged pages are reported as damage', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const store = await openAt(path)
  await store.entries.create(Array.from({ length: 500 }, (_, n) => spec(n)), by)
  await store[Symbol.asyncDispose]()
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  for (let at = 4096 * 8; at < size; at += 4096) await file.write(Buffer.alloc(4096, 0xff), 0, 4096, at)
  const damaged = async (): Promise<void> => {
    await using again = await openAt(path)
    await again.entries.list({}, { size: 1_000 })
    await again.journal.verify()
  }
  await expect(damaged()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
})

test.for([
  ['a changed record', "UPDATE journal SET payload = replace(payload, 'workload', 'w0rkload') WHERE kind = 'entries.created'"],
  ['a record taken out', "DELETE FROM journal WHERE kind = 'entries.created'"],
  ['a row that no record says', "UPDATE entries SET hint = 'x' WHERE id = 'entry-1'"],
  ['a row that is missing', "DELETE FROM entries WHERE id = 'entry-1'"],
  ['a row too many', "INSERT INTO denied_keys (hash, cause, at_ms) VALUES (x'00', 'leak', 1)"],
] as const)('verify finds %s', async ([, sql]) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const store = await openAt(path)
  await store.entries.create([spec(1), spec(2)], by)
  await store.entries.update([{ id: 'entry-2', hint: 'h' }], by)
  await store.journal.verify()
  await store[Symbol.asyncDispose]()
  change(path, sql)
  await using again = await openAt(path)
  await expect(again.journal.verify()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
})

test('a store opened for reading can be read and not changed', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const store = await openAt(path)
  await store.entries.create([spec(1)], by)
  await store[Symbol.asyncDispose]()
  await using reader = await openSqliteStore({ path, trustDomain, nowMs, readOnly: true })
  expect(await reader.entries.count({})).toBe(1)
  await reader.journal.verify()
  await expect(reader.entries.create([spec(2)], by)).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
})

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}
