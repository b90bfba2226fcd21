import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Pkcs11KeyStore } from '../../server/ca/pkcs11/key-store.ts'
import type { TokenConfig } from '../../server/ca/pkcs11/token.ts'
import { systemClock } from '../../src/system/clock.ts'
import { keyStoreContract } from '../support/ca/key-store-contract.ts'
import { softHsm } from '../support/interop/softhsm.ts'
import { verifyChain } from '../support/openssl.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { mint } from '../support/product/mint.ts'
import { Product } from '../support/product/product.ts'

const found = softHsm()
if ('missing' in found) skipAloud(`keys in a PKCS#11 token: ${found.missing}`)
const hsm = 'missing' in found ? undefined : found
const pin = '73519'
const service = 'mayfly.v1.Authorities'
let folder = ''
let environment: Readonly<Record<string, string>> = {}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mf-'))
  environment = hsm?.makeToken(folder, 'mayfly test', pin) ?? {}
  Object.assign(process.env, environment) // for the threads of this process, and the module in them
})
afterAll(() => rmSync(folder, { recursive: true }))

const terms = (overrides: Partial<TokenConfig> = {}): TokenConfig => ({ module: hsm?.module ?? '', token: 'mayfly test', slot: undefined, labelPrefix: 'test-', ...overrides })
const open = async (overrides: Partial<TokenConfig> = {}, word = pin): Promise<Pkcs11KeyStore> => await Pkcs11KeyStore.open(terms(overrides), word)

describe.skipIf(hsm === undefined)('SoftHSM', () => {
  keyStoreContract('in a PKCS#11 token', open)

  test('a key outlives the store, and cannot be had out of the token', async () => {
    const made = await open().then(async (store) => {
      await using opened = store
      return await opened.create('authority-kept', 'ec-p256')
    })
    await using again = await open()
    const loaded = await again.load('authority-kept')
    expect(loaded?.spki).toEqual(made.spki)
    expect(loaded?.keyObject).toBeUndefined()
    await again.remove('authority-kept')
  })

  test('two that share a token by the beginning of their labels do not see each other’s keys', async () => {
    await using ours = await open()
    await using theirs = await open({ labelPrefix: 'other-' })
    await ours.create('authority-1', 'ec-p256')
    expect(await theirs.load('authority-1')).toBeUndefined()
    await ours.remove('authority-1')
  })

  test('a wrong PIN, a token that is not there, a module that is none, a package that is not installed: each with its code', async () => {
    await expect(open({}, '00000')).rejects.toMatchObject({ code: 'KEY_STORE_REFUSED', message: expect.stringContaining('PIN is wrong') as string })
    await expect(open({ token: 'another' })).rejects.toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' })
    await expect(open({ token: undefined, slot: 7 })).rejects.toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' })
    await expect(open({ module: join(folder, 'softhsm2.conf') })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    const path = process.env['NODE_PATH']
    delete process.env['NODE_PATH']
    onTestFinished(() => void (process.env['NODE_PATH'] = path))
    await expect(open()).rejects.toMatchObject({ code: 'CONFIG_INVALID', hint: expect.stringContaining('npm install graphene-pk11') as string })
  })

  test('while the token is away nothing is signed, and once it is back everything is', async () => {
    await using store = await open()
    const key = await store.create('authority-1', 'ec-p256')
    const [token = ''] = readdirSync(join(folder, 'tokens'))
    const away = join(folder, 'away')
    renameSync(join(folder, 'tokens', token), away)
    await expect(store.load('authority-1')).rejects.toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' })
    await expect(store.create('authority-2', 'ec-p256')).rejects.toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' })
    renameSync(away, join(folder, 'tokens', token))
    expect((await store.load('authority-1'))?.spki).toEqual(key.spki)
    expect((await key.sign(Uint8Array.of(1))).length).toBeGreaterThan(60)
    await store.remove('authority-1')
  })
})

describe.skipIf(hsm === undefined)('a server with its keys in a token', () => {
  test('issues, starts again with the same authority, makes and destroys keys there, and has none on the disk', async () => {
    const config = join(folder, 'server.yaml')
    writeFileSync(config, `ca:\n  keyStorage: pkcs11\n  pkcs11:\n    module: ${hsm?.module ?? ''}\n    token: mayfly test\n    labelPrefix: server-\n`)
    await using product = await Product.start({ serverArgs: ['--config', config, '--crl-directory', join(folder, 'crl')], server: { env: { ...environment, MAYFLY_PKCS11_PIN: pin } } })
    expect(childEnvironments(product.server.child.pid ?? 0)).not.toContain(pin)
    const agent = await product.startAgent()
    expect(agent.workloadSocket).not.toBe('')
    const first = await mint(product, 'first')
    const startedMs = systemClock.nowMs()
    await Promise.all(Array.from({ length: 50 }, (_, at) => mint(product, `many-${at}`)))
    process.stderr.write(`50 SVIDs signed in a token: ${systemClock.nowMs() - startedMs} ms\n`)
    const active = async (): Promise<string> => (await product.admin.unary(service, 'List', {})).authorities.find(({ state }) => state === 'active')?.id ?? ''
    const bundle = await product.admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})
    expect(verifyChain(folder, bundle.x509Authorities.map(({ asn1 }) => asn1), first.chain)).toBe('OK')

    const before = await active()
    await product.killServer('SIGTERM')
    await product.startServer()
    expect(await active()).toBe(before)
    await mint(product, 'again')

    const prepared = await product.admin.unary(service, 'Prepare', {})
    await product.admin.unary(service, 'Activate', { id: prepared.id, force: true })
    expect(await keysInToken('server-')).toBe(2)
    await product.admin.unary(service, 'Revoke', { id: before, reason: 'test', expect: { value: 53 } }).catch(async (error: unknown) => {
      const hits = /would end (\d+)/.exec(String(error))?.[1] ?? '0'
      await product.admin.unary(service, 'Revoke', { id: before, reason: 'test', expect: { value: Number(hits) } })
    })
    expect(await keysInToken('server-')).toBe(1)
    const after = await mint(product, 'after')
    const now = await product.admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})
    expect(verifyChain(folder, now.x509Authorities.map(({ asn1 }) => asn1), after.chain)).toBe('OK')
    expect(filesBelow(join(product.dir, 'server')).filter((path) => /-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{20}/.test(readFileSync(path, 'latin1')))).toEqual([])
    expect(product.server.errors).not.toContain(pin)
  })

  test('with a wrong PIN it does not start, says why in two lines, and has tried once', async () => {
    const config = join(folder, 'wrong.yaml')
    const pinFile = join(folder, 'pin')
    writeFileSync(pinFile, '00000\n', { mode: 0o600 })
    writeFileSync(config, `ca:\n  keyStorage: pkcs11\n  pkcs11:\n    module: ${hsm?.module ?? ''}\n    token: mayfly test\n    pinFile: ${pinFile}\n`)
    const options = { serverArgs: ['--config', config], server: { env: environment } }
    await expect(Product.start(options)).rejects.toThrow('the PIN is wrong')
    writeFileSync(pinFile, `${pin}\n`)
    await using product = await Product.start(options)
    await mint(product, 'good')
  })
})

/** Of the processes that a server has started. */
function childEnvironments(pid: number): string {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  return children.map((child) => (existsSync(`/proc/${child}/environ`) ? readFileSync(`/proc/${child}/environ`, 'utf8') : '')).join('\n')
}

async function keysInToken(prefix: string): Promise<number> {
  const script = `const g = require('graphene-pk11'); const m = g.Module.load(process.argv[1], 'm'); m.initialize()
const s = m.getSlots(true).items(0).open(g.SessionFlag.SERIAL_SESSION); s.login(process.argv[2])
const all = s.find({ class: g.ObjectClass.PRIVATE_KEY }); let n = 0
for (let i = 0; i < all.length; i++) { const { label, extractable } = all.items(i).getAttribute({ label: null, extractable: null }); if (extractable) throw new Error('extractable'); if (label.startsWith(process.argv[3])) n++ }
console.log(n)`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script, hsm?.module ?? '', pin, prefix], { env: { ...process.env, ...environment }, encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return Number(stdout)
}

function filesBelow(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
