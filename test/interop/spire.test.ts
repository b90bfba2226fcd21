import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate, type Certificate } from '../../src/x509/certificate.ts'
import { decodeCertificatesPem } from '../../src/x509/pem.ts'
import { NestedSpireServer, SpireAgent, spireCli, type Said, type Spire } from '../support/interop/spire-processes.ts'
import { spirePrograms } from '../support/interop/spire.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { main, node24 } from '../support/product/process.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const found = spirePrograms()
if (found === undefined) skipAloud("SPIRE's own agent, command and nested server: no spire-agent and spire-server (1.16) in MAYFLY_SPIRE_BIN or on the path; MAYFLY_SPIRE_BIN=/opt/spire/bin npm run interop -- spire")

describe.skipIf(found === undefined)("SPIRE's own agent, command and nested server on a mayfly server", () => {
  const spire = found as Spire // it is skipped else
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  let product: Product
  let agent: SpireAgent
  let agentId: string
  /** Entries of the test, by id. */
  const made: string[] = []

  beforeAll(async () => {
    product = await Product.start()
    agent = await SpireAgent.start(spire, product, join(folder, 'a'))
    agentId = (await product.agentIds())[0] ?? ''
  })

  afterAll(async () => {
    await agent[Symbol.asyncDispose]()
    await product[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  afterEach(() => {
    for (const id of made.splice(0)) cli('entry', 'delete', '-entryID', id)
  })

  const cli = (...args: readonly string[]): Said => spireCli(spire, product.adminSocket, ...args)

  /** The first SVID of the agent's workload, once `wanted` holds of it. */
  async function svid(wanted: (leaf: Certificate) => boolean = () => true): Promise<Certificate> {
    return await until(() => {
      const { ok, folder: at } = agent.fetch()
      const leaf = ok ? parseCertificate(decodeCertificatesPem(readFileSync(join(at, 'svid.0.pem'), 'utf8'))[0] ?? new Uint8Array(0)) : undefined
      return leaf !== undefined && wanted(leaf) ? leaf : undefined
    })
  }

  /** Makes an entry by SPIRE's command, for what SPIRE's agent command runs as. Returns its id. */
  function entry(path: string, ...more: readonly string[]): string {
    const { text } = cli('entry', 'create', '-parentID', agentId, '-spiffeID', `spiffe://example.org${path}`, '-selector', `unix:path:${spire.agent}`, ...more)
    const id = /^Entry ID +: (\S+)/m.exec(text)?.[1] ?? text
    made.push(id)
    return id
  }

  test('attests by a join token; an entry made by the command becomes an SVID, its change another, its end none', async () => {
    expect(cli('agent', 'show', '-spiffeID', agentId).text).toMatch(/Attestation type +: join_token/)
    const id = entry('/web', '-x509SVIDTTL', '600')
    const first = await svid()
    expect(first.extensions.subjectAltName?.uris).toEqual(['spiffe://example.org/web'])
    expect(cli('entry', 'update', '-entryID', id, '-parentID', agentId, '-spiffeID', 'spiffe://example.org/web', '-selector', `unix:path:${spire.agent}`, '-dns', 'web.example.org').text).toMatch(/Revision +: 1/)
    const second = await svid(({ extensions }) => extensions.subjectAltName?.dns.includes('web.example.org') === true)
    expect(serialOf(second)).not.toBe(serialOf(first))
    expect(cli('entry', 'delete', '-entryID', id).ok).toBe(true)
    await until(() => (agent.fetch().text.includes('no identity issued') ? true : undefined))
  })

  test('rotates at half life, which SPIRE counts from notBefore', async () => {
    entry('/short', '-x509SVIDTTL', '24')
    const first = await svid(({ extensions }) => extensions.subjectAltName?.uris[0] === 'spiffe://example.org/short')
    const next = await svid((leaf) => serialOf(leaf) !== serialOf(first))
    expect(next.notAfterMs).toBeGreaterThan(first.notAfterMs)
    expect(next.notBeforeMs).toBeLessThan(first.notAfterMs)
  })

  test('a revoked credential is replaced, though SPIRE agents follow no stream: its entry has a new revision', async () => {
    const id = entry('/revoked')
    const first = await svid(({ extensions }) => extensions.subjectAltName?.uris[0] === 'spiffe://example.org/revoked')
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: serialOf(first) }, reason: 'test' })
    await svid((leaf) => serialOf(leaf) !== serialOf(first))
    expect(cli('entry', 'show', '-entryID', id).text).toMatch(/Revision +: 1/)
  })

  test('a taint makes agent and workloads replace what they have; then the authority is revoked', async () => {
    entry('/tainted')
    const first = await svid(({ extensions }) => extensions.subjectAltName?.uris[0] === 'spiffe://example.org/tainted')
    const before = serialInList(cli('agent', 'list').text)
    const authorities = (): Record<string, { readonly authority_id: string }> => JSON.parse(cli('localauthority', 'x509', 'show', '-output', 'json').text) as Record<string, { readonly authority_id: string }> // as the command prints it
    const old = authorities()['active']?.authority_id ?? ''
    expect(cli('localauthority', 'x509', 'prepare').ok).toBe(true)
    const prepared = authorities()['prepared']?.authority_id ?? ''
    expect(cli('localauthority', 'x509', 'activate', '-authorityID', prepared).text).toContain(prepared)
    expect(cli('localauthority', 'x509', 'taint', '-authorityID', old).text).toContain(old)
    expect(authorities()['old']?.authority_id).toBe(old)
    const next = await svid((leaf) => serialOf(leaf) !== serialOf(first))
    expect(Buffer.from(next.extensions.authorityKeyId ?? []).toString('hex')).toBe(prepared)
    await until(() => (serialInList(cli('agent', 'list').text) === before ? undefined : true))
    expect(cli('localauthority', 'x509', 'revoke', '-authorityID', old).ok).toBe(true)
    await svid()
  })

  test('a nested SPIRE server signs below mayfly: what it signs verifies up to the bundle, is unindexed to a verifier of ours, and ends with its entry', async () => {
    const { text } = cli('entry', 'create', '-parentID', agentId, '-spiffeID', 'spiffe://example.org/nested', '-selector', `unix:path:${spire.server}`, '-downstream')
    const id = /^Entry ID +: (\S+)/m.exec(text)?.[1] ?? ''
    await until(() => (agent.program.lines.some(({ msg, spiffe_id: spiffeId }) => msg === 'SVID updated' && spiffeId === 'spiffe://example.org/nested') ? true : undefined))
    await using nested = await NestedSpireServer.start(spire, product, agent.workloadSocket, join(folder, 'n'))
    const out = join(folder, 'minted')
    mkdirSync(out)
    expect(spireCli(spire, nested.socket, 'x509', 'mint', '-spiffeID', 'spiffe://example.org/deep', '-write', out).ok).toBe(true)
    const minted = join(out, 'svid.pem')
    const bundle = spawnSync(node24, [main('src/cli'), 'bundle', 'show', '--server-socket', product.adminSocket], { encoding: 'utf8' }).stdout
    expect(spireCli(spire, nested.socket, 'bundle', 'show').text.trim()).toBe(bundle.trim())
    writeFileSync(join(folder, 'bundle.pem'), bundle)
    expect(spawnSync('openssl', ['verify', '-CAfile', join(folder, 'bundle.pem'), '-untrusted', minted, minted], { encoding: 'utf8' }).stdout).toMatch(/: OK/)

    const ours = await product.startAgent()
    await until(() => (verdictOf(ours, minted) === 'stale' ? undefined : true)) // before it has heard of revocations
    expect(verdictOf(ours, minted)).toBe('unindexed')
    expect(cli('entry', 'delete', '-entryID', id).ok).toBe(true)
    await until(() => (verdictOf(ours, minted) === 'authority_revoked' ? true : undefined))
  })

  test.for<[string, RegExp]>([
    ['healthcheck', /Server is healthy/],
    ['agent count', /1 attested agent|2 attested agents/],
    ['agent list -attestationType join_token -banned false', /Found [12] attested agent/],
    ['agent purge -expiredFor 1h', /No agents to purge/],
    ['bundle show -format spiffe', /"x509-svid"/],
    ['bundle count', /1 bundle/],
    ['bundle list', /^$/],
    ['entry show', /Found \d+ entr/],
    ['entry show -downstream', /Found \d+ entr/],
    ['entry count -selector unix:uid:1', /0 registration entries/],
    ['token generate -ttl 60 -spiffeID spiffe://example.org/node', /Token: \S+/],
    ['x509 mint -spiffeID spiffe://example.org/minted', /BEGIN CERTIFICATE[^]*BEGIN/],
    ['debug getinfo', /"agents_?[cC]ount"|Agents/],
    ['logger get', /Logger Level +: info/],
    ['logger set -level debug', /Logger Level +: debug/],
    ['logger reset', /Logger Level +: info/],
    ['localauthority x509 show', /Active X.509 authority/],
  ])("`spire-server %s` works", ([args, wanted]) => {
    expect(cli(...args.split(' '))).toEqual({ ok: true, text: expect.stringMatching(wanted) as string })
  })

  test.for<[string, RegExp]>([
    ['bundle delete -id spiffe://other.test', /there is no bundle of other\.test/],
    ['bundle set -id spiffe://example.org -path /dev/null', /unable to parse bundle data|not allowed/],
    ['federation list', /federation relationships come with a later release/],
    ['entry create -parentID spiffe://example.org/spire/server -spiffeID spiffe://example.org/x -selector a:b -federatesWith spiffe://other.test', /unable to find federated bundle/],
    ['jwt mint -spiffeID spiffe://example.org/x -audience y', /they come with a later release/],
    ['localauthority jwt show', /they come with a later release/],
    ['upstreamauthority taint -subjectKeyID aa', /upstream authority is not configured/],
    ['entry create -parentID spiffe://example.org/spire/server -spiffeID spiffe://example.org/task/x -selector a:b', /which grants are named by/],
  ])("`spire-server %s` is refused, and says why", ([args, wanted]) => {
    expect(cli(...args.split(' '))).toEqual({ ok: false, text: expect.stringMatching(wanted) as string })
  })

  test('a banned agent learns it and ends', async () => {
    expect(cli('agent', 'ban', '-spiffeID', agentId).ok).toBe(true)
    await agent.program.ended()
    expect(JSON.stringify(agent.program.lines.slice(-8))).toMatch(/banned|Agent is banned/i)
    expect(cli('agent', 'evict', '-spiffeID', agentId).ok).toBe(true)
  })
})

function serialOf({ serial }: Certificate): string {
  return Buffer.from(serial).toString('hex').padStart(34, '0')
}

function serialInList(text: string): string | undefined {
  return /Serial number +: (\d+)/.exec(text)?.[1]
}

/** What `mayfly verify` says by way of this agent. */
function verdictOf({ workloadSocket }: AgentProcess, file: string): string {
  const { stdout } = spawnSync(node24, [main('src/cli'), 'verify', file, '--socket', workloadSocket, '--json'], { encoding: 'utf8' })
  return String((JSON.parse(stdout) as { readonly verdict?: string }).verdict)
}

/** The first that is not undefined; SPIRE's agent looks every second. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const result = look()
    if (result !== undefined) return result
    await systemClock.sleep(200, new AbortController().signal)
  }
}
