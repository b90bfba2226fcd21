import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FactSource } from '../../../agent/attest/fact-source.ts'
import type { GrantProgress__Output } from '../../../proto/generated/mayfly/v1/GrantProgress.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { maxAttestedSelectors } from '../../../src/core/grant/limits.ts'
import type { RpcChannel } from '../../../src/rpc/channel.ts'
import { GrantTask } from '../../support/agent/grant-tasks.ts'
import { MemoryFiles } from '../../support/agent/memory-files.ts'
import { TestGrants } from '../../support/agent/test-grants.ts'
import type { TestGrantsOptions } from '../../support/agent/test-grants.ts'
import { must } from '../../support/processes/processes.ts'


let grants: TestGrants
let client: RpcChannel
const children: ChildProcess[] = []

beforeEach(async () => {
  await restart({ tier: 'pidfd' })
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  client.close()
  await grants[Symbol.asyncDispose]()
})

async function restart(options: TestGrantsOptions): Promise<void> {
  if (grants !== undefined) {
    client.close()
    await grants[Symbol.asyncDispose]()
  }
  grants = await TestGrants.start(options)
  client = grants.client()
}

const intent = { actions: ['write', 'forbidden', 'confirmed'], resources: ['db:orders'] }

/** A stream of progress, read a message at a time. */
class Progress {
  readonly #messages: AsyncGenerator<GrantProgress__Output, void, undefined>

  constructor(messages: AsyncGenerator<GrantProgress__Output, void, undefined>) {
    this.#messages = messages
  }

  async next(): Promise<GrantProgress__Output> {
    const { value } = await this.#messages.next()
    if (value === undefined) throw new Error('the stream ended')
    return value
  }

  async until(...states: readonly string[]): Promise<GrantProgress__Output> {
    for (;;) {
      const progress = await this.next()
      if (states.includes(progress.grant?.state ?? '')) return progress
    }
  }

  async stop(): Promise<void> {
    await this.#messages.return()
  }
}

function ask(from: RpcChannel = client): Progress {
  return new Progress(from.serverStream('mayfly.v1.Grants', 'Request', { spiffeId: 'spiffe://test.example/job', intent }))
}

function bind(grantId: string, pid = 0): Progress {
  return new Progress(client.serverStream('mayfly.v1.Grants', 'Bind', { grantId, pid }))
}

/** Asked for, bound and running. */
async function running(pid = 0): Promise<{ readonly id: string; readonly socket: string; readonly life: Progress; readonly own: RpcChannel }> {
  const { grant } = await ask().until('approved')
  const life = bind(grant?.id ?? '', pid)
  const { socket } = await life.until('active')
  return { id: grant?.id ?? '', socket, life, own: grants.client(socket) }
}

function sleeper(): ChildProcess {
  const child = spawn('sleep', ['60'])
  children.push(child)
  return child
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    return error instanceof MayflyError ? error.code : String(error)
  }
}

describe('asking', () => {
  test('the server is told what the agent attested, and nothing that the process says of itself', async () => {
    await ask().until('approved')
    const [asked] = grants.server.asked
    expect(asked?.selectors).toContain(`unix:uid:${process.geteuid?.() ?? -1}`)
    expect(asked?.requester).toBe(`uid:${process.geteuid?.() ?? -1}`)
    expect(asked?.instance).toMatch(/^[0-9a-f]{64}$/)
    expect(asked?.tier).toBe('pidfd')
  })

  test('the server is told of what its container was made, whoever asks for that, and nothing of its environment', async () => {
    const container: FactSource = {
      types: ['docker'],
      find: ({ needs }) => {
        const kinds = ['label:app:shop', 'image_id:shop', 'image_config_digest:sha256:00', 'env:TOKEN=secret'].filter((value) => needs.has(`docker:${value.split(':')[0] ?? ''}`))
        return { selectors: kinds.map((value) => ({ type: 'docker', value })), missing: [] }
      },
    }
    await restart({ tier: 'pidfd', sources: [container] })
    const { own } = await running()
    const told = [...grants.server.asked, ...grants.server.issued].map(({ selectors }) => selectors?.filter((selector) => selector.startsWith('docker:')))
    expect(told).toEqual(Array.from({ length: 2 }, () => ['docker:label:app:shop', 'docker:image_id:shop', 'docker:image_config_digest:sha256:00']))
    own.close()
  })

  test('a container with labels without end asks all the same: so many are told, and what is not a label first', async () => {
    const selectors = Array.from({ length: 1_000 }, (_, at) => ({ type: 'docker', value: `label:n:${at}` }))
    await restart({ tier: 'pidfd', sources: [{ types: ['docker'], find: () => ({ selectors, missing: [] }) }] })
    const { own } = await running()
    for (const { selectors: told } of [...grants.server.asked, ...grants.server.issued]) {
      expect(told).toHaveLength(maxAttestedSelectors)
      expect(told).toContain(`unix:uid:${process.geteuid?.() ?? -1}`)
    }
    own.close()
  })

  test('whom it waits for is said, and what they decide', async () => {
    grants.server.asks = 'pending_approval'
    const request = ask()
    const waiting = await request.next()
    expect(waiting).toMatchObject({ grant: { state: 'pending_approval' }, howToApprove: `mayfly approve ${waiting.grant?.id ?? ''}`, socket: '' })
    grants.server.move(waiting.grant?.id ?? '', { mayApprove: ['alice', 'bob'] })
    expect(await request.next()).toMatchObject({ approvers: ['alice', 'bob'] })
    grants.server.move(waiting.grant?.id ?? '', { state: 'denied' })
    expect((await request.next()).grant?.state).toBe('denied')
    await expect(request.next()).rejects.toThrow('the stream ended')
  })

  test('a request whose caller goes away is withdrawn', async () => {
    grants.server.asks = 'pending_approval'
    const request = ask()
    const { grant } = await request.next()
    await request.stop()
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: grant?.id, cause: 'withdrawn' }])
  })

  test('one user asks for so many at once, and no more', async () => {
    const codes: string[] = []
    while (!codes.includes('LIMIT_EXCEEDED') && codes.length < 2_000) codes.push(await codeOf(ask().next()))
    expect(codes.slice(0, 200).every((code) => code === 'none')).toBe(true)
    expect(codes).toContain('LIMIT_EXCEEDED')
  })

  test('what waits for approval is not bound', async () => {
    grants.server.asks = 'pending_approval'
    const { grant } = await ask().next()
    expect(await codeOf(bind(grant?.id ?? '').next())).toBe('GRANT_STATE')
  })

  test('a process that is no child of the caller is not bound', async () => {
    const { grant } = await ask().until('approved')
    expect(await codeOf(bind(grant?.id ?? '', 1).next())).toBe('PERMISSION_DENIED')
    expect(grants.folders).toEqual([])
  })

  test('an activation that the server refuses leaves nothing behind, and can be tried again', async () => {
    const { grant } = await ask().until('approved')
    grants.server.refuses = new MayflyError('GRANT_DENIED', 'not now')
    expect(await codeOf(bind(grant?.id ?? '').next())).toBe('GRANT_DENIED')
    expect(grants.folders).toEqual([])
    grants.server.refuses = undefined
    expect((await bind(grant?.id ?? '').until('active')).grant?.state).toBe('active')
  })
})

describe('running', () => {
  test('the SVID of the grant alone is handed out, and another at each renewal', async () => {
    const { id, own } = await running()
    const svids = own.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})
    const first = (await svids.next()).value
    expect(first?.svids.map(({ spiffeId }) => spiffeId)).toEqual([`spiffe://test.example/job/task/${id}`])
    await own.unary('mayfly.v1.Grants', 'Renew', {})
    const second = (await svids.next()).value
    expect(second?.svids[0]?.x509SvidKey.equals(first?.svids[0]?.x509SvidKey ?? Buffer.alloc(0))).toBe(false)
    own.close()
  })

  test('it renews by itself at half life, and ends when its renewals are used and the last SVID has expired', async () => {
    grants.server.credentialMs = 3_000
    grants.server.renewals = 1
    const { id } = await running()
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.issued).toHaveLength(2)
    expect(grants.server.ends).toMatchObject([{ grantId: id, cause: 'budget' }])
  })

  test('when it is suspended the SVID is withdrawn, and resuming brings another', async () => {
    const { id, own } = await running()
    const svids = own.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})
    await svids.next()
    grants.server.move(id, { state: 'suspended' })
    expect(await codeOf(svids.next())).toBe('NO_IDENTITY')
    expect(await codeOf(own.unary('mayfly.v1.Grants', 'Step', { action: 'write', resource: 'db:orders' }))).toBe('GRANT_STATE')
    grants.server.move(id, { state: 'active' })
    await grants.server.until(() => grants.server.issued.length === 2)
    expect((await own.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}).next()).value?.svids).toHaveLength(1)
    own.close()
  })

  test('its binding is vouched for', async () => {
    const { id } = await running()
    expect(grants.keeper.life.next()).toMatchObject({ grantIds: [id] })
    expect(grants.keeper.life.next()).toBeUndefined()
  })

  test('a process outside of the binding that comes to its socket is refused, and the server is told at once', async () => {
    const { id, own } = await running(sleeper().pid)
    expect(await codeOf(own.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}).next())).toBe('NOT_IN_BINDING')
    await grants.server.until(() => grants.server.outsiders.length > 0)
    expect(grants.server.outsiders).toEqual([{ grantId: id, pid: process.pid, uid: process.geteuid?.() }])
    own.close()
  })

  test('who comes after the bound process has exited is no outsider', async () => {
    const child = sleeper()
    const { own } = await running(child.pid)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await codeOf(own.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}).next())).not.toBe('none')
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.outsiders).toEqual([])
    own.close()
  })

  test('what runs, or waits to, is shown to who looks at the agent', async () => {
    const { id, own } = await running()
    await ask().until('approved')
    expect(grants.keeper.shown(10)).toMatchObject([{ id, state: 'active', tier: 'pidfd', pid: process.pid }, { state: 'approved', tier: '', pid: 0 }])
    expect(grants.keeper.shown(1)).toHaveLength(1)
    own.close()
  })

  test('of a process that runs inside of a grant the server is told so; who asked for the grant itself asks as before, and on the grant’s socket it is a child', async () => {
    await using task = await GrantTask.start()
    const { id, socket, own } = await running(task.pid)
    await ask().until('approved')
    expect(grants.server.asked.at(-1)).toMatchObject({ insideGrantId: '' }) // this process asked for it, and is not in it
    task.tell({ do: 'run', socket: grants.socket })
    await task.said('asked')
    expect(grants.server.asked.at(-1)).toMatchObject({ insideGrantId: id, parentGrantId: '' })
    task.tell({ do: 'run', socket })
    await grants.server.until(() => grants.server.asked.length === 4)
    expect(grants.server.asked.at(-1)).toMatchObject({ insideGrantId: '', parentGrantId: id })
    own.close()
  })

  test('who is bound itself by what it asked for may ask for another; what it starts is inside', async () => {
    const { id, own } = await running()
    await ask().until('approved')
    expect(grants.server.asked.at(-1)).toMatchObject({ insideGrantId: '' })
    await using task = await GrantTask.start()
    task.tell({ do: 'run', socket: grants.socket })
    await task.said('asked')
    expect(grants.server.asked.at(-1)).toMatchObject({ insideGrantId: id })
    own.close()
  })

  test('a child of a grant is asked for on its socket', async () => {
    const { id, own } = await running()
    const child = await ask(own).until('approved')
    expect(grants.server.asked[1]?.parentGrantId).toBe(id)
    const life = new Progress(own.serverStream('mayfly.v1.Grants', 'Bind', { grantId: child.grant?.id ?? '' }))
    const bound = await life.until('active')
    expect(bound.grant?.spiffeId).toContain(`/task/${id}/sub/`)
    grants.server.move(id, { state: 'ended', cause: 'operator' })
    expect((await life.until('ending', 'ended')).grant).toMatchObject({ cause: 'parent_ended', detail: `${id} has ended` })
    await expect.poll(() => grants.folders).toEqual([])
    expect(grants.server.ends).toEqual([]) // the server ends it with its parent
    own.close()
  })
})

describe('ending', () => {
  test('the first cause stays, and everything of it is gone', async () => {
    const { id, own, life, socket } = await running()
    const svids = own.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})
    await svids.next()
    const ended = await client.unary('mayfly.v1.Grants', 'End', { grantId: id, cause: 'completed', outcome: 'migrated' })
    expect(ended).toMatchObject({ state: 'ended', cause: 'completed', outcome: 'migrated' })
    expect(await codeOf(svids.next())).toMatch(/GRANT_ENDED|UNAVAILABLE/)
    expect((await life.until('ending', 'ended')).grant?.cause).toBe('completed')
    expect(await client.unary('mayfly.v1.Grants', 'End', { grantId: id, cause: 'failed' })).toMatchObject({ cause: 'completed' })
    await expect.poll(() => existsSync(socket)).toBe(false)
    expect(grants.server.ends).toHaveLength(1)
    expect(grants.keeper.life.next()).toMatchObject({ grantIds: [] })
    own.close()
  })

  test('who ends it over its own socket hears that it is over, however far the server is; whoever waits for nothing is cut', async () => {
    const { own, socket } = await running()
    const idle = connect(socket)
    await once(idle, 'connect')
    const { promise, resolve } = Promise.withResolvers<void>()
    grants.server.answersEnds = promise
    const ended = own.unary('mayfly.v1.Grants', 'End', { cause: 'completed' })
    ended.catch(() => undefined) // looked at below
    await once(idle.resume(), 'close')
    resolve()
    expect(await ended).toMatchObject({ state: 'ended', cause: 'completed' })
    await expect.poll(() => grants.folders).toEqual([])
    own.close()
  })

  test('the exit of a bound child ends it; whoever started the child may say first how', async () => {
    const child = sleeper()
    const { id, life } = await running(child.pid)
    child.once('exit', () => void client.unary('mayfly.v1.Grants', 'End', { grantId: id, cause: 'failed', outcome: 'killed' }).catch(() => undefined))
    child.kill('SIGKILL')
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: id, cause: 'failed', outcome: 'killed' }])
    await life.stop()
  })

  test('a bound child that is killed ends it also when nobody says how', async () => {
    const child = sleeper()
    const { id, socket } = await running(child.pid)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await expect.poll(() => existsSync(socket)).toBe(false)
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: id, cause: 'process_exit' }])
  })

  test('it ends when the call that vouched for it does', async () => {
    const { id, life } = await running(sleeper().pid)
    await life.stop()
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: id, cause: 'process_exit' }])
  })

  test('a bound child may become another program', async () => {
    const child = spawn('sh', ['-c', 'read line; exec sleep 60'])
    children.push(child)
    const { id } = await running(child.pid)
    child.stdin?.write('go\n')
    await expect.poll(() => grants.keeper.life.next()?.grantIds ?? [id]).toEqual([id])
    expect(grants.server.ends).toEqual([])
  })

  test('what the server ends is gone here too', async () => {
    const { id, life, socket } = await running()
    grants.server.move(id, { state: 'ended', cause: 'operator', detail: 'enough' })
    expect((await life.until('ended')).grant).toMatchObject({ cause: 'operator' })
    await expect.poll(() => existsSync(socket)).toBe(false)
    expect(grants.server.ends).toEqual([])
  })

  test('while the server is away the end is kept, and told when it is back', async () => {
    const { id, life } = await running(sleeper().pid)
    grants.server.away = true
    await life.stop()
    await expect.poll(() => grants.files.contents.get('grants-ended.json')).toContain(id)
    await expect.poll(() => grants.folders).toEqual([])
    grants.server.away = false
    await grants.server.until(() => grants.server.ends.length > 0)
    await expect.poll(() => grants.files.contents.has('grants-ended.json')).toBe(false)
  })

  test('an agent that starts anew tells what an earlier life could not, and ends what nobody holds', async () => {
    const files = new MemoryFiles()
    files.contents.set('grants-ended.json', JSON.stringify([{ grantId: 'earlier', cause: 'completed', outcome: '', detail: '' }]))
    await restart({ files, tier: 'pidfd' })
    await expect.poll(() => files.contents.has('grants-ended.json')).toBe(false)
    expect(grants.server.ends).toMatchObject([{ grantId: 'earlier', cause: 'completed' }])
    const { grant } = await ask().until('approved')
    const known = must(grants.server.grants.get(grant?.id ?? ''))
    grants.keeper.changed({ grants: [{ ...known, id: 'orphan', state: 'active' }, known], complete: true, terms: [] })
    await grants.server.until(() => grants.server.ends.some(({ grantId }) => grantId === 'orphan'))
    expect(grants.server.ends.at(-1)).toMatchObject({ grantId: 'orphan', cause: 'orphan' })
  })

  test('an agent that stops ends what runs on it', async () => {
    const { id } = await running(sleeper().pid)
    const { server } = grants
    client.close()
    await grants[Symbol.asyncDispose]()
    expect(server.ends).toMatchObject([{ grantId: id, cause: 'orphan', detail: 'the agent stopped' }])
    await restart({ tier: 'pidfd' })
  })

  test('a probe that holds no more ends the grants that demand it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'mf-'))
    const file = join(dir, 'image')
    writeFileSync(file, 'one')
    await restart({ tier: 'pidfd', probes: [{ kind: 'file', name: 'image', path: file, sha256: undefined }, { kind: 'kernel', name: 'aslr', key: 'kernel.ostype', value: 'Linux' }] })
    grants.server.terms = { probes: ['image', 'aslr'] }
    grants.server.renewals = 1_000
    const { id, own } = await running()
    expect(grants.server.issued[0]?.probes).toMatchObject([{ name: 'image', ok: true }, { name: 'aslr', ok: true, value: 'Linux' }])
    writeFileSync(file, 'two')
    await expect.poll(async () => await codeOf(own.unary('mayfly.v1.Grants', 'Renew', {}))).not.toBe('none')
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: id, cause: 'posture' }])
    own.close()
    rmSync(dir, { recursive: true })
  })
})

describe('steps', () => {
  async function step(own: RpcChannel, action = 'write', resource = 'db:orders'): Promise<{ readonly allowed: boolean; readonly reasons: readonly string[]; readonly stepsLeft: number }> {
    return await own.unary('mayfly.v1.Grants', 'Step', { action, resource, description: 'a step' })
  }

  test('one within intent, policy and budget is taken, and each is recorded', async () => {
    const { own } = await running()
    expect(await step(own)).toMatchObject({ allowed: true, reasons: ['permit-all'], stepsLeft: 9 })
    expect(await step(own, 'forbidden')).toMatchObject({ allowed: false, reasons: ['no-forbidden'] })
    expect(await step(own, 'delete')).toMatchObject({ allowed: false, reasons: ['outside-intent'] })
    expect(await step(own, 'write', 'db:users')).toMatchObject({ allowed: false, reasons: ['outside-intent'] })
    await grants.server.until(() => grants.server.recorded.length === 4)
    expect(grants.server.recorded.map(({ allowed }) => allowed)).toEqual([true, false, false, false])
    own.close()
  })

  test('never more than the budget, whatever is leased', async () => {
    const { own } = await running()
    const answers = await Promise.all(Array.from({ length: 15 }, async () => await step(own)))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(10)
    expect(answers.filter(({ allowed }) => !allowed).every(({ reasons }) => reasons[0] === 'budget-steps')).toBe(true)
    own.close()
  })

  test('an agent that is behind its server lets nothing pass', async () => {
    const { own } = await running()
    grants.current = false
    expect(await step(own)).toMatchObject({ allowed: false, reasons: ['state-stale'] })
    own.close()
  })

  test('what the server confirms is asked there, and counted there', async () => {
    grants.server.terms = { confirmActions: ['confirmed'] }
    const { own, id } = await running()
    expect(await step(own, 'confirmed')).toMatchObject({ allowed: true, reasons: ['server'] })
    expect(grants.server.confirms).toMatchObject([{ step: { grantId: id, action: 'confirmed' } }])
    grants.server.away = true
    expect(await step(own, 'confirmed')).toMatchObject({ allowed: false, reasons: ['server-away'] })
    grants.server.away = false
    own.close()
  })

  test('what the role asks by now decides the next step', async () => {
    const { own, id } = await running()
    expect(await step(own)).toMatchObject({ allowed: true })
    const terms = { intents: [], confirmActions: ['write'], approveActions: [], leasedSteps: 0, probes: [], waived: false, progressSeconds: 0, maxTtlSeconds: 900 }
    grants.keeper.changed({ grants: [], complete: false, terms: [{ grantId: id, terms }] })
    expect(await step(own)).toMatchObject({ allowed: true, reasons: ['server'] })
    grants.keeper.changed({ grants: [], complete: false, terms: [{ grantId: id, terms: { ...terms, confirmActions: [] } }] })
    expect(await step(own)).toMatchObject({ allowed: false, reasons: ['outside-role'] })
    own.close()
  })

  test('a policy that is pushed decides the next step', async () => {
    const { own } = await running()
    expect(await step(own)).toMatchObject({ allowed: true })
    grants.loadPolicy = async () => ({ hash: 'h2', decide: () => ({ allowed: false, reasons: ['nothing'], policyHash: 'h2', approvalsWanted: 0 }) })
    grants.keeper.policy({ hash: 'h2', policies: '{}' })
    expect(await step(own)).toMatchObject({ allowed: false, reasons: ['nothing'] })
    grants.keeper.policy({ hash: 'h3', policies: '{}' })
    expect(await step(own)).toMatchObject({ allowed: false, reasons: ['policy-unavailable'] })
    own.close()
  })

  test('over HTTP on the same socket: 200 is the only yes', async () => {
    const { socket, own } = await running()
    expect(await post(socket, { action: 'write', resource: 'db:orders' })).toMatchObject({ status: 200, body: { allowed: true } })
    expect(await post(socket, { action: 'forbidden', resource: 'db:orders' })).toMatchObject({ status: 403, body: { allowed: false, reasons: ['no-forbidden'] } })
    expect(await post(socket, { action: 'write' })).toMatchObject({ status: 400 })
    expect(await post(socket, { action: 'write', resource: 'db:orders', grantId: 'x' })).toMatchObject({ status: 400 })
    expect(await post(socket, 'no json')).toMatchObject({ status: 400, body: { error: { code: 'INVALID_ARGUMENT' } } })
    expect(await post(socket, {}, '/other')).toMatchObject({ status: 404 })
    own.close()
  })
})

async function post(socketPath: string, body: object | string, path = '/step'): Promise<{ readonly status: number; readonly body: unknown }> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method: 'POST' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
    })
    request.on('error', reject)
    request.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}
