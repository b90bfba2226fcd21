import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { Clock } from '../../src/ports/clock.ts'
import { parse } from '../../src/cli/arguments.ts'
import { command } from '../../src/cli/commands/x509-fetch.ts'
import { Output } from '../../src/cli/output.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { socketPath } from '../support/rpc/harness.ts'
import { federated, TestDomain, TestWorkloadApi } from '../support/client/workload-api.ts'

const home = new TestDomain('example.test')
const [one, two] = [new TestDomain('one.test'), new TestDomain('0')]

async function run(cwd: string, endpoint: string, ...args: readonly string[]): Promise<string> {
  return await runWith(systemClock, cwd, endpoint, ...args)
}

async function runWith(clock: Clock, cwd: string, endpoint: string, ...args: readonly string[]): Promise<string> {
  const [out, err] = [new PassThrough(), new PassThrough()]
  await command.run(parse('x509 fetch', command, args), { output: new Output(out, err, { isTty: false, columns: () => 80 }), env: { SPIFFE_ENDPOINT_SOCKET: endpoint }, cwd, clock, random: systemRandom, signal: new AbortController().signal })
  return String(out.read() ?? '')
}

test('bundles of other trust domains are shown, printed and written, each by itself: no file holds those of two', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { endpoint } = await TestWorkloadApi.start(federated(home.response('/a'), one, two))
  expect(await run(folder, endpoint, '--write', 'id')).toMatch(/^federates with +one\.test, 1 authority; 0, 1 authority$/m)
  expect(readdirSync(join(folder, 'id')).toSorted()).toEqual(['bundle.0.pem', 'federated.0.pem', 'federated.one.test.pem', 'key.0.pem', 'svid.0.pem'])
  expect(readFileSync(join(folder, 'id/federated.0.pem'), 'utf8')).toBe(encodeCertificatesPem([two.issuer.certificate]))
  expect(readFileSync(join(folder, 'id/bundle.0.pem'), 'utf8')).toBe(encodeCertificatesPem([home.issuer.certificate]))
  expect(JSON.parse(await run(folder, endpoint, '--json'))).toMatchObject({ federatedBundles: { 'spiffe://one.test': encodeCertificatesPem([one.issuer.certificate]), 'spiffe://0': encodeCertificatesPem([two.issuer.certificate]) } })
})

test('without any nothing is said of them', async () => {
  const { endpoint } = await TestWorkloadApi.start(home.response('/a'))
  expect(await run('/', endpoint)).not.toContain('federates')
  expect(JSON.parse(await run('/', endpoint, '--json'))).not.toHaveProperty('federatedBundles')
})

test('an agent that takes the connection and says nothing is not waited for without end', async () => {
  const [clock, path] = [new FakeClock(), socketPath()]
  const hung = createServer((socket) => socket.on('error', () => undefined)).listen(path)
  onTestFinished(() => void hung.close())
  await once(hung, 'listening')
  const failure = runWith(clock, '/', `unix://${path}`).catch((error: unknown) => error)
  await once(hung, 'connection')
  await clock.advance(30_000)
  expect(await failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', message: 'no answer within 30000 ms' })
})
