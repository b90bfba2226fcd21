import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { memberOf, parseTrustDomain, revocationUnchecked, verifyX509Svid, X509Source } from '../../src/client/index.ts'
import { systemClock } from '../../src/system/clock.ts'
import { decodeCertificatesPem } from '../../src/x509/pem.ts'
import { Shell } from '../support/cli/transcript.ts'
import { SpireAgent, spireCli } from '../support/interop/spire-processes.ts'
import { RealSpire } from '../support/interop/spire-server.ts'
import { spirePrograms } from '../support/interop/spire.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { Product } from '../support/product/product.ts'

const programs = spirePrograms()
if (programs === undefined) skipAloud('bundles exchanged with SPIRE, because neither MAYFLY_SPIRE_BIN nor the path leads to spire-agent and spire-server: MAYFLY_SPIRE_BIN=<folder> npm run interop -- spire-federation')
const uid = process.geteuid?.() ?? 0
const partner = parseTrustDomain('partner.example')

test.skipIf(programs === undefined)("two trust domains, one of SPIRE's and one of mayfly's, exchange their bundles by each other's commands: workloads of each have the other's, by agents of both kinds, until it is deleted", async () => {
  if (programs === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  await using spire = await RealSpire.start(folder, programs, undefined, partner)
  const spireAgentId = await spire.startAgent('/node/a')
  await using product = await Product.start()
  const shell = new Shell(product.dir, { MAYFLY_SERVER_SOCKET: product.adminSocket, NODE_NO_WARNINGS: '1' })
  const there = (...args: readonly string[]): ReturnType<typeof spireCli> => spireCli(programs, spire.socket, ...args)
  const here = (...args: readonly string[]): ReturnType<typeof spireCli> => spireCli(programs, product.adminSocket, ...args)

  // SPIRE's bundle comes here by SPIRE's own command, and as PEM by ours: with the keys of tokens, which PEM does not have
  const theirs = join(folder, 'partner.json')
  writeFileSync(theirs, there('bundle', 'show', '-format', 'spiffe').text)
  expect(here('bundle', 'set', '-format', 'spiffe', '-id', 'spiffe://partner.example', '-path', theirs)).toEqual({ ok: true, text: 'bundle set.\n' })
  const pem = there('bundle', 'show').text
  expect(here('bundle', 'list', '-id', 'spiffe://partner.example').text).toBe(pem)
  expect(here('bundle', 'list').text).toContain(pem)
  const known = (text: string): unknown => {
    const { keys, spiffe_sequence: sequence } = JSON.parse(text) as { readonly keys: readonly { readonly use: string; readonly kid?: string }[]; readonly spiffe_sequence?: number } // a bundle document
    return [keys.map(({ use, kid }) => [use, kid]), sequence]
  }
  expect(known(here('bundle', 'list', '-id', 'partner.example', '-format', 'spiffe').text)).toEqual(known(readFileSync(theirs, 'utf8')))
  expect(known((await shell.exec('mayfly bundle show partner.example --format spiffe')).out)).toEqual(known(readFileSync(theirs, 'utf8')))
  expect(here('bundle', 'count').text).toMatch(/2 bundles/)

  // ours goes there as our command prints it
  const ours = join(folder, 'ours.json')
  writeFileSync(ours, (await shell.exec('mayfly bundle show --format spiffe')).out)
  expect(there('bundle', 'set', '-format', 'spiffe', '-id', 'spiffe://example.org', '-path', ours).text).toBe('bundle set.\n')

  // a SPIRE agent on our server hands theirs out
  await using spireAgent = await SpireAgent.start(programs, product, join(folder, 'a'))
  const [agentId = ''] = await product.agentIds()
  const create = here('entry', 'create', '-parentID', agentId, '-spiffeID', 'spiffe://example.org/go', '-selector', `unix:path:${programs.agent}`, '-federatesWith', 'spiffe://partner.example')
  expect(create).toMatchObject({ ok: true, text: expect.stringMatching(/FederatesWith +: partner\.example/) as string })
  const fetched = await until(() => federatedIn(spireAgent.fetch().folder))
  expect(fetched).toEqual(pem)

  // and one of SPIRE's own, ours
  expect(there('entry', 'create', '-parentID', spireAgentId, '-spiffeID', 'spiffe://partner.example/web', '-selector', `unix:uid:${uid}`, '-federatesWith', 'spiffe://example.org').ok).toBe(true)
  const out = join(folder, 'fetched')
  mkdirSync(out)
  const abroad = await until(() => {
    spawnSync(programs.agent, ['api', 'fetch', 'x509', '-socketPath', spire.agentSocket, '-write', out, '-timeout', '5s'], { timeout: 60_000 })
    return federatedIn(out)
  })
  expect(abroad).toBe((await shell.exec('mayfly bundle show')).out)

  // a workload of ours judges theirs: nobody says what SPIRE has revoked, so that it is refused unless the code names that trust domain
  const agent = await product.startAgent()
  const parentId = (await product.agentIds()).find((id) => id !== agentId) ?? ''
  const make = `mayfly entry create --id /web --parent ${parentId} --selector unix:uid:${uid} --federates-with partner.example`
  expect((await shell.exec(make)).code).toBe(0)
  await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  expect(source.bundles.trustDomains.toSorted()).toEqual(['example.org', 'partner.example'])
  const chain = decodeCertificatesPem(readFileSync(join(out, 'svid.0.pem'), 'utf8'))
  const judged = (elsewhere: Parameters<typeof verifyX509Svid>[1]['elsewhere'] = []): string =>
    verifyX509Svid(chain, { bundles: source.bundles, allow: memberOf(partner), revocation: { check: ({ authorityId }) => ({ kind: 'unindexed', authorityId }), freshness: () => ({ ageMs: 0, aheadMs: 0, behindMs: 0 }) }, elsewhere, nowMs: systemClock.nowMs() }).kind
  expect([judged(), judged([{ trustDomain: partner, revocation: revocationUnchecked }])]).toEqual(['unindexed', 'accepted'])
  const verify = `mayfly verify ${join(out, 'svid.0.pem')} --socket ${agent.workloadSocket} --json`
  const asked = async (): Promise<{ readonly verdict: string; readonly accepted: boolean; readonly spiffeId: string }> => {
    for (;;) {
      const answer = JSON.parse((await shell.exec(verify)).out) as { readonly verdict: string; readonly accepted: boolean; readonly spiffeId: string } // what --json promises
      if (answer.verdict !== 'stale') return answer // before the agent has heard of revocations
    }
  }
  expect(await asked()).toMatchObject({ accepted: false, verdict: 'unindexed', spiffeId: 'spiffe://partner.example/web' })

  // it goes as it came
  const updated = new Promise<void>((resolve) => source.onUpdate(({ kind }) => void (kind === 'updated' && !source.bundles.trustDomains.includes(partner) && resolve())))
  expect(here('bundle', 'delete', '-id', 'spiffe://partner.example')).toMatchObject({ ok: false, text: expect.stringMatching(/federated with 2 registration entries/) as string })
  expect(here('bundle', 'delete', '-id', 'spiffe://partner.example', '-mode', 'dissociate')).toEqual({ ok: true, text: 'bundle deleted.\n' })
  await updated
  expect(await asked()).toMatchObject({ verdict: 'untrusted' })
  await until(() => {
    rmSync(spireAgent.fetch().folder, { recursive: true })
    return spireAgent.fetch().ok && federatedIn(join(spireAgent.dir, 'fetched')) === undefined ? true : undefined
  })
})

/** The first federated bundle that SPIRE's command wrote there, PEM. */
function federatedIn(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, 'federated_bundle.0.0.pem'), 'utf8')
  } catch {
    return undefined
  }
}

/** The first that is not undefined; SPIRE's agents look every second, or every five. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const result = look()
    if (result !== undefined) return result
    await systemClock.sleep(200, new AbortController().signal)
  }
}
