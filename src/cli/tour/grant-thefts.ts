import type { Intent } from '../../../proto/generated/mayfly/v1/Intent.ts'
import { MayflyError } from '../../core/errors.ts'
import { parseSpiffeId } from '../../core/spiffe-id.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import type { Context } from '../context.ts'
import type { GrantScene } from './grant-scene.ts'
import { letThrough, refusalOf } from './refusal.ts'
import type { Attack, Refusal } from './refusal.ts'
import { openDoor } from './rogue.ts'
import type { Loot } from './rogue.ts'

/** How long a verifier may take to know of a revocation, and between two looks. */
const knownWithinMs = 1_000
const lookEveryMs = 10
const races = 5
const posture = 'kernel-locked'

/** A role whose processes may ask on the node that was taken over. */
export type PutRole = (name: string, spiffeId: string, change: { readonly probes?: readonly string[]; readonly confirmActions?: readonly string[] }) => Promise<void>

/** What a thief does with a copy of a task's SVID and key, and what a task tries at the edges of its grant. */
export function grantThefts(scene: GrantScene, spiffeId: string, intent: Intent, putRole: PutRole, context: Context): readonly Attack[] {
  return [
    { name: 'a copied SVID and key of a task ask the server for more', control: 'only the agent of its node renews a grant, and only for what it is bound to', run: () => refusalOf(() => askForMore(scene, spiffeId, intent, context)) },
    { name: 'a copied SVID of a task is shown after the task has another', control: 'one credential of a grant is live: the one before is superseded at every verifier', run: () => shownAfterRenewal(scene, spiffeId, intent, context) },
    { name: 'a renewal races the end of its grant', control: 'both are transactions: what comes second is refused, or ends with it', run: () => renewalRacingTheEnd(scene, spiffeId, intent, context) },
    { name: 'a task takes a step after its node no longer is what its role wants', control: 'posture is asked at each step', run: () => stepAfterPosture(scene, intent, putRole, context) },
    { name: 'a control of the policy fails while it is evaluated', control: 'an error of any kind is a denial, and says which control it was', run: () => failingPolicy(scene, spiffeId, intent, context) },
  ]
}

/** A grant that runs on the node that was taken over, with its SVID and key. */
interface TakenGrant extends Loot {
  readonly grantId: string
  readonly node: RpcChannel
}

async function activate(scene: GrantScene, spiffeId: string, intent: Intent, { signal }: Context, probes: readonly string[] = []): Promise<TakenGrant & Disposable> {
  const node = openDoor(scene.door, scene.rogue)
  const key = PrivateKey.generate()
  const facts = factsOf(scene, probes)
  const { id } = await node.unary('mayfly.v1.GrantControl', 'Request', { request: { spiffeId, intent, binding: 'process' }, requester: 'uid:0', ...facts }, { signal })
  const { grant, chain } = await node.unary('mayfly.v1.GrantControl', 'Activate', { grantId: id, csr: Buffer.from(buildCsr(key)), binding: 'process', ...facts }, { signal })
  return { grantId: id, id: parseSpiffeId(grant?.spiffeId ?? ''), key, chain, node, [Symbol.dispose]: () => node.close() }
}

function factsOf({ rogueSelector }: GrantScene, probes: readonly string[], ok = true): { readonly selectors: string[]; readonly instance: string; readonly tier: string; readonly probes: { name: string; ok: boolean; value: string }[] } {
  return { selectors: [rogueSelector], instance: 'boot:2:1', tier: 'pid', probes: probes.map((name) => ({ name, ok, value: '' })) }
}

async function renew(scene: GrantScene, { grantId, node }: TakenGrant, { signal }: Context): Promise<readonly Uint8Array[]> {
  const { chain } = await node.unary('mayfly.v1.GrantControl', 'Renew', { grantId, csr: Buffer.from(buildCsr(PrivateKey.generate())), binding: 'process', ...factsOf(scene, []) }, { signal })
  return chain
}

async function askForMore(scene: GrantScene, spiffeId: string, intent: Intent, context: Context): Promise<void> {
  using taken = await activate(scene, spiffeId, intent, context)
  using thief = openDoor(scene.door, taken)
  await renew(scene, { ...taken, node: thief }, context)
}

async function shownAfterRenewal(scene: GrantScene, spiffeId: string, intent: Intent, context: Context): Promise<Refusal> {
  using taken = await activate(scene, spiffeId, intent, context)
  using verifier = RpcChannel.connectUnix(scene.workloadSocket, { clock: context.clock })
  const before = await check(verifier, taken, taken.chain, context)
  if (!before.accepted) throw new MayflyError('INTERNAL', `it was refused before: ${before.verdict}`)
  await renew(scene, taken, context)
  return await refusedBy(verifier, taken, taken.chain, context)
}

async function renewalRacingTheEnd(scene: GrantScene, spiffeId: string, intent: Intent, context: Context): Promise<Refusal> {
  using verifier = RpcChannel.connectUnix(scene.workloadSocket, { clock: context.clock })
  const refusals: Refusal[] = []
  for (let race = 0; race < races; race++) {
    using taken = await activate(scene, spiffeId, intent, context)
    const end = scene.server.unary('mayfly.v1.GrantAdmin', 'End', { grantId: taken.grantId, detail: 'a race' }, { signal: context.signal })
    const [renewed] = await Promise.allSettled([renew(scene, taken, context), end])
    if (renewed.status === 'fulfilled') refusals.push(await refusedBy(verifier, taken, renewed.value, context))
    else refusals.push(await refusalOf(() => Promise.reject(renewed.reason)))
  }
  const codes = [...new Set(refusals.map(({ code }) => code))]
  return { code: codes.join(', '), said: `${races} races: ${refusals.at(-1)?.said ?? ''}` }
}

async function stepAfterPosture(scene: GrantScene, intent: Intent, putRole: PutRole, context: Context): Promise<Refusal> {
  const spiffeId = `spiffe://${scene.door.trustDomain}/guarded-bot`
  await putRole('guarded', spiffeId, { probes: [posture], confirmActions: [...(intent.actions ?? [])] })
  using taken = await activate(scene, spiffeId, intent, context, [posture])
  const step = async (ok: boolean) => {
    const [action = '', resource = ''] = [intent.actions?.[0], intent.resources?.[0]]
    return await taken.node.unary('mayfly.v1.GrantControl', 'ConfirmStep', { step: { grantId: taken.grantId, action, resource }, probes: factsOf(scene, [posture], ok).probes }, { signal: context.signal })
  }
  const before = await step(true)
  if (!before.allowed) throw new MayflyError('INTERNAL', `it was denied before, by ${before.reasons.join(', ')}`)
  const { allowed, reasons } = await step(false)
  if (allowed) throw letThrough()
  return { code: 'STEP_DENIED', said: `denied by ${reasons.join(', ')}` }
}

/** The policy of before is in force again after it. */
async function failingPolicy(scene: GrantScene, spiffeId: string, intent: Intent, context: Context): Promise<Refusal> {
  const { server } = scene
  const { signal } = context
  const { set } = await server.unary('mayfly.v1.Policies', 'Show', {}, { signal })
  const failing = { ...set?.policies, 'no-long-lives': 'forbid (principal, action, resource) when { context.ttlSeconds * 9223372036854775807 > 0 };' }
  await server.unary('mayfly.v1.Policies', 'Apply', { set: { policies: failing }, reason: 'an attack' }, { signal })
  try {
    using node = openDoor(scene.door, scene.rogue)
    const { state, decision } = await node.unary('mayfly.v1.GrantControl', 'Request', { request: { spiffeId, intent, binding: 'process' }, requester: 'uid:0', ...factsOf(scene, []) }, { signal })
    if (state !== 'denied') throw letThrough(`the request is ${state}`)
    return { code: 'GRANT_DENIED', said: `denied by ${decision?.reasons.join(', ') ?? ''}` }
  } finally {
    await server.unary('mayfly.v1.Policies', 'Apply', { set: { policies: set?.policies ?? {} }, reason: 'after an attack' }, { signal })
  }
}

async function check(verifier: RpcChannel, { id }: Loot, chain: readonly Uint8Array[], { signal }: Context): Promise<{ readonly accepted: boolean; readonly verdict: string; readonly reason: string }> {
  return await verifier.unary('mayfly.v1.Verifier', 'Check', { chain: chain.map((der) => Buffer.from(der)), class: 'strict', allow: [id] }, { signal })
}

/** The refusal of a verifier, once it knows. @throws when it goes on accepting */
async function refusedBy(verifier: RpcChannel, loot: Loot, chain: readonly Uint8Array[], context: Context): Promise<Refusal> {
  for (let waitedMs = 0; waitedMs <= knownWithinMs; waitedMs += lookEveryMs) {
    const { accepted, verdict, reason } = await check(verifier, loot, chain, context)
    if (!accepted) return { code: verdict.toUpperCase(), said: reason }
    await context.clock.sleep(lookEveryMs, context.signal)
  }
  throw letThrough('a verifier goes on accepting it')
}
