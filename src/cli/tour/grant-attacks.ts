import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import type { Grant__Output } from '../../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantRole } from '../../../proto/generated/mayfly/v1/GrantRole.ts'
import type { Intent } from '../../../proto/generated/mayfly/v1/Intent.ts'
import { requestGrant } from '../../client/index.ts'
import { approvalNamespace, exceptionStatement } from '../../core/approval/statement.ts'
import { MayflyError } from '../../core/errors.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { workloadMetadata } from '../connection.ts'
import type { Context } from '../context.ts'
import { sign } from '../signing.ts'
import { askBeside } from './grant-escape.ts'
import type { GrantScene } from './grant-scene.ts'
import { grantThefts } from './grant-thefts.ts'
import { letThrough, refusalOf } from './refusal.ts'
import type { Attack, Refusal } from './refusal.ts'
import { openDoor } from './rogue.ts'

const owner = 'platform'

/** Attacks on grants and on the people who approve them; made ready here, played by who calls. */
export async function grantAttacks(given: Omit<GrantScene, 'rogueSelector'>, context: Context): Promise<readonly Attack[]> {
  const scene: GrantScene = { ...given, rogueSelector: 'unix:user:rogue' }
  const { server, door } = scene
  const { signal } = context
  const [deploy, release] = [`spiffe://${door.trustDomain}/deploy-bot`, `spiffe://${door.trustDomain}/release-bot`]
  await server.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: owner, contact: '#platform' }, { signal })
  await putRole(scene, 'deploy', deploy, {}, signal)
  await putRole(scene, 'release', release, { approvals: 2 }, signal)
  await putRole(scene, 'careful', `spiffe://${door.trustDomain}/careful-bot`, { approveActions: ['write'] }, signal)
  const people = await registerPeople(scene, context)
  const ofPeople = 'skipped' in people ? { skipped: people.skipped } : {}
  const asked = (change: Partial<Intent> = {}, spiffeId = deploy) => ask(scene, spiffeId, change, context)
  const approval = async (attack: (keys: PeopleKeys, request: Asked) => Promise<unknown>): Promise<Refusal> => {
    if ('skipped' in people) throw letThrough('nobody is registered')
    await using request = await asked({}, release)
    return await refusalOf(() => attack(people, request))
  }
  const approve = async (id: string, approver: string, signature: string) => await server.unary('mayfly.v1.Approvals', 'Approve', { id, approver, signature }, { signal })
  const wordsFor = async (id: string): Promise<{ readonly words: string; readonly namespace: string }> => {
    const { approvals } = await server.unary('mayfly.v1.Approvals', 'List', { id }, { signal })
    return { words: approvals[0]?.canonical ?? '', namespace: approvals[0]?.namespace ?? '' }
  }
  const signed = async (id: string, key: string): Promise<string> => {
    const { words, namespace } = await wordsFor(id)
    return await sign(words, namespace, { as: undefined, key }, context)
  }
  return [
    { name: 'a task asks for what its role does not allow', control: 'a role lists what may be asked for; a request outside of it is none', run: () => refusalOf(() => asked({ actions: ['drop'] })) },
    { name: 'a reason is made to steer the terminal of who approves', control: 'free text is bounded and without control characters', run: () => refusalOf(() => asked({ reason: 'harmless\u001b[2K\u001b[1Amigration 42' })) },
    { name: 'a task with a grant takes a step that it did not declare', control: 'each step is decided when it is taken, within what was declared', run: () => undeclaredStep(scene, deploy, context) },
    { name: "another process of the same user comes to a grant's socket", control: "the kernel names the caller; a grant's socket serves its binding alone", run: () => stolenSocket(scene, deploy, context) },
    { name: 'what a task started asks for another grant beside it', control: 'inside of a grant there are children of it, within its intent and budget, and nothing beside', run: () => askBeside(scene, deploy, context) },
    { name: 'an agent that was taken over uses one key for two grants', control: 'a public key belongs to one grant, in the transaction that issues', run: () => reusedKey(scene, deploy, signal) },
    {
      name: 'a step that a person approved is taken as another',
      control: 'an approval is of the step as it was described, and is used once',
      ...ofPeople,
      run: () =>
        approvedStep(scene, `spiffe://${door.trustDomain}/careful-bot`, context, async (id) => {
          if ('skipped' in people) throw letThrough('nobody is registered')
          await approve(id, 'alice', await signed(id, people.alice))
        }),
    },
    { name: 'an administrator approves over the admin socket', control: 'an approval is a signature of a registered person, and nothing else is', ...ofPeople, run: () => approval((_keys, { grant }) => approve(grant.id, 'alice', '')) },
    { name: 'who owns a request approves it, with a good signature', control: 'nobody approves what they requested or own', ...ofPeople, run: () => approval(async ({ mallory }, { grant }) => approve(grant.id, 'mallory', await signed(grant.id, mallory))) },
    {
      name: 'a request is changed after it was approved',
      control: 'the signature is over every line of the request: another request is another text',
      ...ofPeople,
      run: () =>
        approval(async ({ alice }, { grant }) => {
          const signature = await signed(grant.id, alice)
          await using changed = await asked({ resources: ['db:payments'] }, release)
          await approve(changed.grant.id, 'alice', signature)
        }),
    },
    {
      name: 'one approval is brought twice, where two are wanted',
      control: 'a signature is used once, and a person counts once',
      ...ofPeople,
      run: () =>
        approval(async ({ alice }, { grant }) => {
          const signature = await signed(grant.id, alice)
          const { state } = await approve(grant.id, 'alice', signature)
          if (state !== 'pending_approval') throw new MayflyError('INTERNAL', `one of two approvals made it ${state}`)
          await approve(grant.id, 'alice', signature)
        }),
    },
    { name: 'who owns a role waives a control for it', control: 'an exception is approved by somebody who does not speak for what it is for', ...ofPeople, run: () => refusalOf(() => ownException(scene, people, context)) },
    { name: 'after a denial the same process asks for more', control: 'requests of a process are remembered: a wider one is flagged, and waits for a person', run: () => widerRequest(asked) },
    ...grantThefts(scene, deploy, intentOf({}), async (name, spiffeId, { probes = [], confirmActions = [] }) => await putRole(scene, name, spiffeId, { probes: [...probes], confirmActions: [...confirmActions] }, signal), context),
  ]
}

async function putRole({ server, parentId, rogue, rogueSelector }: GrantScene, name: string, spiffeId: string, change: Partial<GrantRole>, signal: AbortSignal): Promise<void> {
  const role = {
    name,
    spiffeId,
    owner,
    requesters: [{ parentId, selectors: [`unix:path:${process.execPath}`] }, { parentId: rogue.id, selectors: [rogueSelector] }],
    intents: [{ actions: ['read', 'write'], resources: ['db:orders', 'db:payments'], dataClass: 'internal', workspace: { environment: 'staging' } }],
    budget: { seconds: 120, renewals: 2, steps: 10, children: 0, depth: 0 },
    credentialTtlSeconds: 60,
    approvalTtlSeconds: 120,
    minTier: 'pid',
    ...change,
  }
  await server.unary('mayfly.v1.GrantAdmin', 'PutRole', { role }, { signal })
}

/** Files of private keys: alice may approve, mallory speaks for the owner. */
interface PeopleKeys {
  readonly alice: string
  readonly mallory: string
}

async function registerPeople({ folder, server }: GrantScene, { signal }: Context): Promise<PeopleKeys | { readonly skipped: string }> {
  const keys: PeopleKeys = { alice: join(folder, 'alice'), mallory: join(folder, 'mallory') }
  for (const [name, path] of Object.entries(keys) as [string, string][]) { // the members of PeopleKeys
    try {
      await promisify(execFile)('ssh-keygen', ['-q', '-N', '', '-C', name, '-t', 'ed25519', '-f', path], { signal })
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { skipped: 'there is no ssh-keygen here to sign with' }
      throw error
    }
    const sshKeys = [(await readFile(`${path}.pub`, 'utf8')).trim()]
    await server.unary('mayfly.v1.Approvals', 'AddPerson', { name, sshKeys, owners: name === 'mallory' ? [owner] : [], roles: ['approve'] }, { signal })
  }
  return keys
}

function intentOf(change: Partial<Intent>): Intent {
  return { actions: ['write'], resources: ['db:orders'], workspace: { environment: 'staging' }, reason: 'migration 42', ...change }
}

/** A request of this process; disposing withdraws it. */
interface Asked extends AsyncDisposable {
  readonly grant: Grant__Output
}

/** What a request comes to first. @throws {MayflyError} what it was refused with */
async function ask({ workloadSocket }: GrantScene, spiffeId: string, change: Partial<Intent>, { clock, signal }: Context): Promise<Asked> {
  const agent = RpcChannel.connectUnix(workloadSocket, { clock })
  const call = agent.serverStream('mayfly.v1.Grants', 'Request', { spiffeId, intent: intentOf(change) }, { signal })
  try {
    const { value } = await call.next()
    if (value?.grant === null || value?.grant === undefined) throw new MayflyError('UNAVAILABLE', 'the agent hung up without an answer')
    const { grant } = value
    return {
      grant,
      [Symbol.asyncDispose]: async () => {
        await call.return()
        agent.close()
      },
    }
  } catch (error) {
    agent.close()
    throw error
  }
}

async function undeclaredStep({ workloadSocket }: GrantScene, as: string, { signal }: Context): Promise<Refusal> {
  const endpoint = `unix://${workloadSocket}`
  await using grant = await requestGrant({ as, do: ['write'], on: ['db:orders'], workspace: { environment: 'staging' }, reason: 'migration 42' }, { endpoint, signal })
  const declared = await grant.step('write', 'db:orders')
  if (!declared.allowed) throw new MayflyError('INTERNAL', `what it did declare was denied by ${declared.reasons.join(', ')}`)
  const { allowed, reasons } = await grant.step('write', 'db:payments')
  if (allowed) throw letThrough()
  return { code: 'STEP_DENIED', said: `write on db:payments is denied by ${reasons.join(', ')}` }
}

/** What was approved is still good after the attack: for what was approved. */
async function approvedStep({ workloadSocket }: GrantScene, as: string, { signal }: Context, approve: (id: string) => Promise<void>): Promise<Refusal> {
  await using grant = await requestGrant({ as, do: ['write'], on: ['db:orders'], workspace: { environment: 'staging' }, reason: 'migration 42' }, { endpoint: `unix://${workloadSocket}`, signal })
  const step = async (description: string): ReturnType<typeof grant.step> => await grant.step('write', 'db:orders', { description })
  await approve((await step('add a column')).approvalId)
  const { allowed, reasons } = await step('drop the table')
  if (allowed) throw letThrough()
  const approved = await step('add a column')
  if (!approved.allowed) throw new MayflyError('INTERNAL', `what was approved was denied by ${approved.reasons.join(', ')}`)
  return { code: 'STEP_DENIED', said: `"drop the table" is denied by ${reasons.join(', ')}` }
}

/** A grant is bound to a child; its parent, of the same user and the same program, has the path of the socket. */
async function stolenSocket(scene: GrantScene, as: string, context: Context): Promise<Refusal> {
  const { clock, signal } = context
  const task = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const over = new AbortController()
  try {
    await using request = await ask(scene, as, {}, context)
    using agent = RpcChannel.connectUnix(scene.workloadSocket, { clock })
    const bound = agent.serverStream('mayfly.v1.Grants', 'Bind', { grantId: request.grant.id, pid: task.pid ?? 0 }, { signal: AbortSignal.any([signal, over.signal]) })
    for await (const { socket } of bound) {
      if (socket === '') continue
      using stolen = RpcChannel.connectUnix(socket, { clock, metadata: workloadMetadata })
      return await refusalOf(() => stolen.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { signal }).next())
    }
    throw new MayflyError('GRANT_ENDED', 'the grant ended before it was active')
  } finally {
    over.abort()
    task.stdin.end() // it ends with it
  }
}

async function reusedKey({ door, rogue, rogueSelector }: GrantScene, spiffeId: string, signal: AbortSignal): Promise<Refusal> {
  using server = openDoor(door, rogue)
  const key = PrivateKey.generate()
  const activate = async (): Promise<void> => {
    const facts = { selectors: [rogueSelector], instance: 'boot:1:1', tier: 'pid' }
    const { id } = await server.unary('mayfly.v1.GrantControl', 'Request', { request: { spiffeId, intent: intentOf({}), binding: 'process' }, requester: 'uid:0', ...facts }, { signal })
    await server.unary('mayfly.v1.GrantControl', 'Activate', { grantId: id, csr: Buffer.from(buildCsr(key)), binding: 'process', ...facts }, { signal })
  }
  await activate()
  return await refusalOf(activate)
}

async function ownException({ server, door }: GrantScene, people: PeopleKeys | { readonly skipped: string }, context: Context): Promise<void> {
  if ('skipped' in people) throw letThrough('nobody is registered')
  const exception = { control: 'reason-given', scope: 'role:deploy', owner: 'somebody-else', reason: 'in a hurry', reviewAtMs: context.clock.nowMs() + 3_600_000, value: 0 }
  const words = exceptionStatement(parseTrustDomain(door.trustDomain), exception)
  const signature = await sign(words, approvalNamespace, { as: undefined, key: people.mallory }, context)
  await server.unary('mayfly.v1.Policies', 'PutException', { ...exception, approver: 'mallory', signature }, { signal: context.signal })
}

async function widerRequest(asked: (change: Partial<Intent>) => Promise<Asked>): Promise<Refusal> {
  await using first = await asked({ actions: ['read'], reason: '' })
  if (first.grant.state !== 'denied') throw new MayflyError('INTERNAL', `a request without a reason is ${first.grant.state}`)
  await using second = await asked({ actions: ['read', 'write'], resources: ['db:orders', 'db:payments'] })
  const { state, flags, decision } = second.grant
  if (state === 'approved' || !flags.includes('wider_after_denial')) throw letThrough(`it is ${state}, flagged ${flags.join(', ') || 'with nothing'}`)
  return { code: state.toUpperCase(), said: `flagged ${flags.join(', ')}${decision === null ? '' : `, by ${decision.reasons.join(', ')}`}` }
}
