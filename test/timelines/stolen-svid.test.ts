import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { listen } from '../support/listen.ts'
import { jobId, jobRole, TestVerifier } from '../support/product/grants.ts'
import { mint } from '../support/product/mint.ts'
import type { Minted } from '../support/product/mint.ts'
import { node24 } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'
import { worldReadable } from '../support/product/world-readable.ts'

const [task, other] = [4242, 4343]
/** Shows what it was given on standard input to a service, and prints what that says. */
const thiefScript = `
const { connect } = require('node:tls')
let given = ''
process.stdin.on('data', (chunk) => (given += chunk)).on('end', () => {
  const { port, key, cert } = JSON.parse(given)
  connect({ port, host: '127.0.0.1', key, cert, rejectUnauthorized: false }).pipe(process.stdout)
})`

let product: Product
let agent: AgentProcess
let verifier: TestVerifier
let service: Minted

const asRoot = process.geteuid?.() === 0

beforeAll(async () => {
  product = await Product.start()
  agent = await product.startAgent()
  verifier = await TestVerifier.start(product, agent)
  service = await mint(product, 'service')
  await jobRole(product, {}, [task])
  await jobRole(product, { name: 'strict', spiffeId: `${jobId}-strict`, endOnSecondUse: true }, [task])
})

afterAll(async () => {
  await verifier?.[Symbol.asyncDispose]()
  await product?.[Symbol.asyncDispose]()
})

test.skipIf(!asRoot)('SVID and key that another user copied out are accepted while the task runs, superseded once it has others, and nobody’s when it has ended', async () => {
  await using victim = await GrantTask.start(task)
  const { id, socket } = await victim.run(agent.workloadSocket, { spiffeId: jobId, role: 'job' })
  victim.tell({ do: 'svid', socket })
  const first = await stolenFrom(victim)
  expect(await shownBy(other, first)).toBe('accepted') // a copy is as good as the original: what bounds it is the grant's life
  victim.tell({ do: 'renew', socket })
  const second = await stolenFrom(victim, first)
  await expect.poll(async () => await shownBy(other, first)).toBe('superseded')
  expect(await shownBy(other, second)).toBe('accepted')
  victim.tell({ do: 'end', socket, id, cause: 'completed' })
  await expect.poll(async () => await shownBy(other, second)).toBe('revoked')
  expect(await shownBy(other, first)).toBe('revoked')
})

test.skipIf(!asRoot)('another user who finds the socket of a grant gets nothing; the grant is flagged at once, and by role ends as a leak', async () => {
  await using thief = await GrantTask.start(other)
  for (const role of ['job', 'strict']) {
    await using victim = await GrantTask.start(task)
    const { id, socket } = await victim.run(agent.workloadSocket, { spiffeId: role === 'job' ? jobId : `${jobId}-strict`, role })
    thief.tell({ do: 'svid', socket, name: role })
    expect(await thief.said('failed', (line) => line['name'] === role)).toMatchObject({ code: expect.stringMatching(/NOT_IN_BINDING|GRANT_ENDED|UNAVAILABLE/) })
    const show = async () => await product.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId: id })
    await expect.poll(async () => (await show()).flags).toEqual(['outsider'])
    if (role === 'job') expect(await show()).toMatchObject({ state: 'active' })
    else await expect.poll(async () => (await show()).cause).toBe('leak')
  }
})

interface Stolen {
  readonly cert: string
  readonly key: string
}

/** The newest, once it is another than was stolen before. */
async function stolenFrom(victim: GrantTask, before?: Stolen): Promise<Stolen> {
  const certOf = (chain: unknown): string => encodeCertificatesPem([Buffer.from(String(chain), 'base64')])
  const { chain, key } = await victim.said('svid', (line) => certOf(line['chain']) !== before?.cert)
  return { cert: certOf(chain), key: PrivateKey.fromPkcs8(Buffer.from(String(key), 'base64')).toPem() }
}

/** What a service, which asks the verifier, says to a process of this user that shows them. */
async function shownBy(uid: number, stolen: Stolen): Promise<string> {
  const server = createServer({ cert: service.cert, key: service.key, requestCert: true, rejectUnauthorized: false }, (socket) => {
    const { raw } = socket.getPeerCertificate()
    socket.on('error', () => undefined).end(verifier.verdict([raw]))
  })
  try {
    const port = await listen(server)
    const thief = spawn(worldReadable(node24), ['-e', thiefScript], { uid, gid: uid, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] })
    thief.stdin.end(JSON.stringify({ port, ...stolen }))
    return await text(thief.stdout)
  } finally {
    server.close()
  }
}
