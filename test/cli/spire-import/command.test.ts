import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from '../../../src/cli/arguments.ts'
import { command } from '../../../src/cli/commands/import-spire.ts'
import { Output } from '../../../src/cli/output.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { FakeSpire } from '../../support/spire/fake-server.ts'
import type { FakeSpireOptions } from '../../support/spire/fake-server.ts'
import type { SpireBundle } from '../../../src/cli/spire-import/registry.ts'
import { authority } from '../../support/verify/certificates.ts'
import { spireAgent, spireEntry } from '../../support/spire/registry.ts'
import { main, node24, Program } from '../../support/product/process.ts'
import { startServer } from '../../support/server/test-server.ts'
import type { TestServer } from '../../support/server/test-server.ts'

/** Alive at any time that tests run. */
const agent = spireAgent('one', { expiresAtSeconds: 4_000_000_000 })
const nodeName = spireEntry('node-a', agent.id, { selectors: [`spiffe_id:${agent.id}`] })

interface Printed {
  readonly code: number | void
  readonly out: string
  readonly err: string
}

async function run(server: TestServer, ...args: readonly string[]): Promise<Printed> {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const context = { output: new Output(out, err, { isTty: false, columns: () => 80 }), env: { MAYFLY_SERVER_SOCKET: server.server.adminSocket }, cwd: '/', clock: systemClock, random: systemRandom, signal: new AbortController().signal }
  const code = await command.run(parse('import spire', command, args), context)
  return { code, out: String(out.read() ?? ''), err: String(err.read() ?? '') }
}

async function started(options: Partial<FakeSpireOptions>): Promise<{ readonly server: TestServer; readonly spire: FakeSpire; readonly from: readonly string[] }> {
  const server = await startServer()
  const spire = await FakeSpire.start({ entries: [], agents: [agent], ...options })
  onTestFinished(async () => await spire[Symbol.asyncDispose]())
  return { server, spire, from: ['--spire-socket', spire.socket] }
}

const five = [nodeName, ...['a', 'b', 'c', 'd'].map((name, at) => spireEntry(name, '/node-a', { selectors: [`unix:uid:${at + 4_000}`] }))]

test('who answers is named by a file, in JSON or YAML, whatever the file is called', async () => {
  const { server, from } = await started({ entries: five })
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of [['owners', '/a: team-a\n/*: others\n'], ['owners.txt', ' {"/a": "team-a", "/*": "others"}'], ['owners.yaml', '{ /a: team-a, /*: others }']] as const) {
    writeFileSync(join(folder, name), text)
    const { entries } = JSON.parse((await run(server, ...from, '--owner-map', join(folder, name), '--json')).out) as { entries?: unknown }
    expect(entries, name).toBe(5)
    expect((await run(server, ...from, '--owner-map', join(folder, name))).out).not.toContain('have no owner')
  }
  writeFileSync(join(folder, 'cut.json'), '{"/a": "team')
  await expect(run(server, ...from, '--owner-map', join(folder, 'cut.json'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('without --apply nothing is changed, here or there; with it the rest is made once, and again nothing', async () => {
  const { server, spire, from } = await started({ entries: [...five, spireEntry('e/task/x', '/node-a'), spireEntry('f', '/node-a', { x509SvidTtlSeconds: 86_400 })] })
  const dry = await run(server, ...from, '--owner', 'platform', '--json')
  expect(JSON.parse(dry.out)).toMatchObject({ dryRun: true, trustDomain: 'example.org', entries: 7, agents: 1, counts: { moves: 4, alias: 1, refused: 2, left: 0 } })
  expect(await server.admin.unary('mayfly.v1.Registry', 'CountEntries', {})).toEqual({ count: 0 })

  const people = await run(server, ...from)
  expect(people.out).toMatch(/^SPIRE: 7 entries, 1 agent in example\.org\n\n4 move\n {2}4 of them have no owner/)
  expect(people.out).toContain('spiffe://example.org/e/task/x  spiffeId: has a segment `task` or `sub`, which grants are named by')
  expect(people.out).toContain('spiffe://example.org/f  x509SvidTtlSeconds: is longer than the 3600 s that the profile allows')
  expect(people.err).toBe('nothing was changed: give --apply to make those 4\n')

  expect((await run(server, ...from, '--owner', 'platform', '--apply', '--expect', '4')).out).toBe('created 4 of 4\n')
  const made = (await server.admin.unary('mayfly.v1.Registry', 'ListEntries', {})).entries
  expect(made.map(({ entry, options }) => [entry?.id, entry?.spiffeId?.path, options?.owner]).toSorted()).toEqual(['a', 'b', 'c', 'd'].map((name) => [name, `/${name}`, 'platform']))
  expect((await run(server, ...from, '--owner', 'platform', '--apply')).out).toBe('created 0 of 0\n')
  expect(new Set(spire.calls.map((method) => method.replace(/.*\//, '')))).toEqual(new Set(['GetBundle', 'ListFederatedBundles', 'ListEntries', 'ListAgents']))
})

test('one reason in the thousands hides no other', async () => {
  const many = Array.from({ length: 12 }, (_, at) => spireEntry(`long-${String(at).padStart(2, '0')}`, '/node-a', { selectors: [`unix:uid:${at + 5_000}`], x509SvidTtlSeconds: 86_400 }))
  const { server, from } = await started({ entries: [nodeName, ...many, spireEntry('e/task/x', '/node-a')] })
  const { out } = await run(server, ...from)
  expect(out).toContain('\n13 mayfly refuses\n')
  expect(out).toMatch(/long-\d\d and 11 others {2}x509SvidTtlSeconds: is longer than the 3600 s that the profile allows\n/)
  expect(out).toContain('spiffe://example.org/e/task/x  spiffeId: has a segment')
  expect(out).toContain('--cap-ttl 1h makes lives that are too long an hour')
})

test('bundles of other trust domains come along, before the entries that federate with them; what is here and differs is left', async () => {
  const bundle = (trustDomain: string, name: string): SpireBundle => ({ trustDomain, x509Authorities: [authority(name).der], jwtAuthorities: [], sequence: 3, refreshHintSeconds: 0 })
  const web = spireEntry('web', '/node-a', { selectors: ['unix:uid:4000'], federatesWith: ['partner.example', 'other.example'] })
  const lonely = spireEntry('lonely', '/node-a', { selectors: ['unix:uid:4001'], federatesWith: ['nobody.example'] })
  const { server, from } = await started({ entries: [nodeName, web, lonely], bundles: [bundle('partner.example', 'a'), bundle('other.example', 'b'), bundle('broken.example', 'c'), { ...bundle('d.example', 'd'), x509Authorities: [Uint8Array.of(1)] }] })
  await server.admin.unary('spire.api.server.bundle.v1.Bundle', 'BatchSetFederatedBundle', { bundle: [{ trustDomain: 'other.example', x509Authorities: [{ asn1: Buffer.from(authority('ours').der) }] }] })
  const plan = await run(server, ...from)
  expect(plan.out).toMatch(/BUNDLE OF +WHAT BECOMES OF IT\npartner\.example +comes along, before the entries\nother\.example +is at mayfly already, with other authorities: it is left as it is .*\nbroken\.example +comes along.*\nd\.example +mayfly refuses it: /)
  expect(plan.out).toContain('spiffe://example.org/lonely  federates with nobody.example, of which no bundle is here or comes along')
  expect(plan.err).toBe('nothing was changed: give --apply to make that entry and set those 2 bundles\n')
  expect(await server.admin.unary('spire.api.server.bundle.v1.Bundle', 'CountBundles', {})).toEqual({ count: 2 })
  expect((await run(server, ...from, '--apply')).out).toBe('set 2 bundles of other trust domains\ncreated 1 of 1\n')
  expect((await server.admin.unary('spire.api.server.bundle.v1.Bundle', 'GetFederatedBundle', { trustDomain: 'partner.example' })).sequenceNumber).toBe(3)
  expect(JSON.parse((await run(server, ...from, '--apply', '--json')).out)).toMatchObject({ bundlesSet: 0, applied: { created: 0 }, bundles: [{ trustDomain: 'partner.example', fate: 'there' }, { fate: 'differs' }, { fate: 'there' }, { fate: 'refused' }] })
})

test('what was cut off half-way is finished by running it again', async () => {
  const { server, from } = await started({ entries: five })
  await server.createEntries('spiffe://example.org/node-a', ['/a'], { selectors: [{ type: 'unix', value: 'uid:4000' }] }) // under another ID: what makes it the same are name, parent and selectors
  expect((await run(server, ...from, '--apply')).out).toBe('created 3 of 3\n')
  expect(await server.admin.unary('mayfly.v1.Registry', 'CountEntries', {})).toEqual({ count: 4 })
})

test('more than ten are not made without their number, nor with another', async () => {
  const { server, from } = await started({ entries: Array.from({ length: 250 }, (_, at) => spireEntry(`w${at}`, '/node-a', { selectors: [`unix:uid:${at + 4_000}`] })).concat(nodeName), pageSize: 500 })
  await expect(run(server, ...from, '--apply')).rejects.toMatchObject({ code: 'EXPECTATION_FAILED', hint: 'look at them without --apply, then give --expect 250' })
  await expect(run(server, ...from, '--apply', '--expect', '249')).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
  expect(await server.admin.unary('mayfly.v1.Registry', 'CountEntries', {})).toEqual({ count: 0 })
  expect((await run(server, ...from, '--apply', '--expect', '250')).out).toBe('created 250 of 250\n')
})

test('killed in the middle of it, it has made whole hundreds, and the next run makes the rest', async () => {
  const names = Array.from({ length: 3_000 }, (_, at) => spireEntry(`w${at}`, '/node-a', { selectors: [`unix:uid:${at + 4_000}`] }))
  const { server, from } = await started({ entries: [nodeName, ...names], pageSize: 500 })
  const made = async (): Promise<number> => (await server.admin.unary('mayfly.v1.Registry', 'CountEntries', {})).count
  const program = new Program(node24, [main('src/cli'), 'import', 'spire', ...from, '--apply', '--expect', '3000'], { env: { MAYFLY_SERVER_SOCKET: server.server.adminSocket } })
  while ((await made()) === 0) if (program.child.exitCode !== null) throw new Error(program.errors)
  await program.kill()
  const before = await made()
  expect([before % 100, before < 3_000]).toEqual([0, true])
  expect((await run(server, ...from, '--apply', '--expect', String(3_000 - before))).out).toBe(`created ${3_000 - before} of ${3_000 - before}\n`)
  expect(await made()).toBe(3_000)
})

describe('what is read', () => {
  test('what SPIRE printed into files is planned as the server itself is', async () => {
    const { server } = await started({})
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'entries.json'), JSON.stringify({ entries: [{ id: 'a', spiffe_id: { trust_domain: 'example.org', path: '/a' }, parent_id: { trust_domain: 'example.org', path: '/spire/agent/join_token/x' }, selectors: [{ type: 'unix', value: 'uid:4000' }] }] }))
    writeFileSync(join(folder, 'agents.json'), JSON.stringify({ agents: [] }))
    writeFileSync(join(folder, 'owners.yaml'), '/a: web team\n')
    writeFileSync(join(folder, 'parents.yaml'), 'spiffe://example.org/spire/agent/join_token/x: spiffe://example.org/spire/agent/join_token/y\n')
    const files = ['--entries', join(folder, 'entries.json'), '--owner-map', join(folder, 'owners.yaml'), '--parent-map', join(folder, 'parents.yaml'), '--json']
    expect(JSON.parse((await run(server, ...files)).out)).toMatchObject({ counts: { moves: 1 }, plan: [{ parentId: 'spiffe://example.org/spire/agent/join_token/y', owner: 'web team', notes: ['new_parent'] }] })
    expect(JSON.parse((await run(server, ...files, '--agents', join(folder, 'agents.json'))).out)).toMatchObject({ plan: [{ fate: 'left', why: 'agent_unknown' }] })
  })

  test('over TLS, with the SVID of an admin entry, from the server of the trust domain and no other', async () => {
    const [spire, server] = [await startServer(), await startServer()]
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const node = await spire.join()
    await spire.createEntries(node.id, ['/boss'], { admin: true, selectors: [{ type: 'unix', value: 'uid:4000' }] })
    const key = PrivateKey.generate()
    const { svid } = await spire.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: ['spiffe://example.org/boss'] })) })
    writeFileSync(join(folder, 'svid.0.pem'), encodeCertificatesPem(svid?.certChain ?? []))
    writeFileSync(join(folder, 'svid.0.key'), key.toPem())
    const bundleOf = async ({ admin }: TestServer): Promise<void> => writeFileSync(join(folder, 'bundle.0.pem'), encodeCertificatesPem((await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).x509Authorities.map(({ asn1 }) => asn1)))
    await bundleOf(spire)
    expect(JSON.parse((await run(server, '--spire-address', spire.server.address, '--svid', folder, '--json')).out)).toMatchObject({ entries: 1, agents: 1, counts: { needs_parent: 1 } })
    const other = PrivateKey.generate()
    const plain = await spire.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(other, { uris: ['spiffe://example.org/plain'] })) })
    const folderOfNobody = join(folder, 'plain')
    mkdirSync(folderOfNobody)
    writeFileSync(join(folderOfNobody, 'svid.0.pem'), encodeCertificatesPem(plain.svid?.certChain ?? []))
    writeFileSync(join(folderOfNobody, 'svid.0.key'), other.toPem())
    copyFileSync(join(folder, 'bundle.0.pem'), join(folderOfNobody, 'bundle.0.pem'))
    await expect(run(server, '--spire-address', spire.server.address, '--svid', folderOfNobody)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', hint: expect.stringContaining(`svid.0.pem in ${folderOfNobody} must be of an entry with -admin`) as string })
    await bundleOf(server)
    await expect(run(server, '--spire-address', spire.server.address, '--svid', folder)).rejects.toThrow(`what answers at ${spire.server.address} is not spiffe://example.org/spire/server`)
  })

  test('a SPIRE server of another trust domain is not read', async () => {
    const { server, from } = await started({ trustDomain: 'other.org' })
    await expect(run(server, ...from)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  })

  test('pages without end are found out', async () => {
    const { server, from } = await started({ entries: five, endless: true })
    await expect(run(server, ...from)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' })
  })

  test('nonsense is refused, and said what is wrong with it', async () => {
    const server = await startServer()
    const cases: readonly (readonly [args: readonly string[], message: string])[] = [
      [[], 'one of --spire-socket, --spire-address and --entries must be given'],
      [['--spire-socket', '/x', '--entries', 'f'], 'one of --spire-socket, --spire-address and --entries must be given'],
      [['--spire-address', '127.0.0.1:1'], '--spire-address and --svid go together'],
      [['--spire-address', 'nowhere', '--svid', '/x'], '"nowhere" is not host:port'],
      [['--entries', '-', '--agents', '-'], 'only one of --entries, --agents and --bundles can be stdin'],
      [['--spire-socket', '/x', '--bundles', 'f'], '--bundles belongs to --entries'],
      [['--spire-socket', '/x', '--agents', 'f'], '--agents belongs to --entries'],
      [['--spire-socket', '/x', '--apply', '-n'], '--apply and --dry-run exclude each other'],
      [['--spire-socket', '/nowhere'], 'no SPIRE server listens at /nowhere'],
      [['--spire-socket', '/x', '--expect', 'many'], '--expect is not a number of entries'],
      [['--spire-socket', '/x', '--map-parent', 'a=b'], 'does not name an old and a new parent'],
    ]
    for (const [args, message] of cases) await expect(run(server, ...args)).rejects.toThrow(message)
  })
})
