import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import type { NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { MayflyError } from '../../core/errors.ts'
import { formatJoinLine } from '../../core/join-line.ts'
import { leakStatement } from '../../core/leak.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import type { Random } from '../../ports/random.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { publicKeyHash } from '../../x509/fingerprint.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { onlyAgent } from '../agents.ts'
import { requireOk } from '../batches.ts'
import { connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { agentStatus, serverStatus } from '../commands/status.ts'
import { Installation } from '../dev/installation.ts'
import { Service } from '../dev/service.ts'
import { entryToWire } from '../entries.ts'
import { describeError, exitCodes } from '../exit-code.ts'
import { idToWire } from '../ids.ts'
import { Actor, namedBinary } from './actor.ts'
import { grantAttacks } from './grant-attacks.ts'
import { playOldSnapshot, withholdRevocation } from './lying-relay.ts'
import { signBelow } from './nested.ts'
import { refusalOf } from './refusal.ts'
import type { Attack, Refusal } from './refusal.ts'
import { csrForKeyOf, joinAs, openDoor } from './rogue.ts'
import { rollBack } from './rolled-back.ts'
import type { Door, Loot } from './rogue.ts'
import { resumeAfterRevocation } from './resumed.ts'

const trustDomain = parseTrustDomain('example.org')

/** Attacks a running system of its own; each attack must be refused. Exit code 1 if one gets through. */
export async function runAttack(json: boolean, context: Context): Promise<number> {
  const { output } = context
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-attack-'))
  try {
    await using installation = await Installation.start({ data: join(folder, 'data'), trustDomain }, context)
    using server = await connectServer({ 'server-socket': installation.places.serverSocket }, context)
    const attacks = await prepare(folder, installation, server, context)
    let through = 0
    if (!json) output.line(`${attacks.length} attacks on a running system\n`)
    for (const { name, control, skipped, run } of attacks) {
      context.signal.throwIfAborted()
      if (skipped !== undefined) {
        if (json) output.json({ attack: name, skipped })
        else output.line(`skipped  ${name}\n         ${skipped}\n`)
        continue
      }
      try {
        const { code, said } = await run()
        if (json) output.json({ attack: name, refused: true, code, said, control })
        else output.line(`refused  ${name}\n         ${code}: ${said}\n         caught by ${control}\n`)
      } catch (error) {
        if (context.signal.aborted) throw error
        through += 1
        if (json) output.json({ attack: name, refused: false, said: describeError(error) })
        else output.line(`THROUGH  ${name}\n         ${describeError(error)}\n`)
      }
    }
    if (!json) output.line(through === 0 ? 'all refused; nothing is left running' : `${through} got through`)
    return through === 0 ? exitCodes.ok : exitCodes.failed
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function prepare(folder: string, installation: Installation, server: RpcChannel, context: Context): Promise<readonly Attack[]> {
  const { clock, signal, random } = context
  const { places } = installation
  const status = await server.unary('mayfly.v1.Status', 'Get', {}, { signal })
  const bundle = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal })
  const door: Door = { address: status.agentAddress, trustDomain, authorities: bundle.x509Authorities.map((authority) => authority.asn1), clock }
  const parentId = await onlyAgent(server, signal)
  const binary = await namedBinary(join(folder, 'bin'), 'intruder')
  const { results } = await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [entryToWire({ spiffeId: `spiffe://${trustDomain}/payments`, parentId, selectors: [`unix:path:${folder}/bin/payments`] })] }, { signal })
  requireOk(results[0]?.status)
  const victimEntry = results[0]?.entry?.entry?.id ?? ''
  const token = await newToken(server, signal)
  const rogue = await joinAs(door, token) // an agent of its own: say its node was taken over

  const fresh = async (): Promise<string> => await newToken(server, signal)
  return [
    { name: 'a join token is used a second time', control: 'tokens are spent in the transaction that records the agent', run: () => refusalOf(() => joinAs(door, token)) },
    { name: "an agent joins with another's public key in its request", control: 'proof of possession: the request must be signed by the key it names', run: () => refusalOf(async () => joinAs(door, await fresh(), csrForKeyOf(PrivateKey.generate()))) },
    { name: 'somebody without a certificate asks for an SVID', control: 'mTLS: only attestation and the bundle are open', run: () => refusalOf(() => askForEntry(door, undefined, victimEntry)) },
    { name: "an agent that was taken over asks for another agent's entry", control: 'an agent gets what its own entries name, nothing else', run: () => refusalOf(() => askForEntry(door, rogue, victimEntry)) },
    { name: 'the same agent calls the admin API', control: 'each method has a list of who may call it', run: () => refusalOf(() => listEntries(door, rogue)) },
    { name: "somebody registers the server's own ID for a workload", control: 'the IDs below /spire are its own', run: () => refusalOf(() => registerReserved(server, parentId, signal)) },
    { name: 'a process of the right user, but another program, asks for an identity', control: 'selectors: what the kernel says of the caller', run: () => deniedIntruder(binary, places.workloadSocket, context) },
    { name: 'an agent is lured to a server that is not the one it was told of', control: 'the join line pins the bundle', run: async () => lured(folder, status.agentAddress, await fresh(), context) },
    { name: 'garbage is poured into every socket', control: 'bounded parsing; each still serves afterwards', run: () => garbage(installation, door, random, context) },
    { name: "somebody has another's key revoked as leaked", control: 'a leaked key ends itself: the report must be signed by it', run: () => refusalOf(() => reportLeak(door, PrivateKey.generate(), PrivateKey.generate())) },
    { name: 'the authority that signs is revoked by a slip of the hand', control: 'the active authority ends only after another took its place, or when told so', run: () => refusalOf(() => revokeActive(server, signal)) },
    { name: 'a copied key goes on after its owner said that it leaked', control: 'every program on the node can ask: the revocation is known to the agent within a second', run: () => leaked(server, door, places.workloadSocket, context) },
    { name: 'a revoked client resumes its TLS session, at a server that left tickets on', control: 'every connection is checked, a resumed one too', run: () => resumed(server, parentId, places.workloadSocket, context) },
    { name: 'a relay holds a revocation back from a strict verifier', control: 'heartbeats name what there is: the relay is left for another within the limit of the class', run: () => heldBack(server, door, places.workloadSocket, context) },
    { name: 'an old snapshot, validly signed, is played to a verifier that was restarted', control: 'the highest head is kept over restarts, and receiving an old signature makes nobody fresh', run: () => playedOld(server, door, places.workloadSocket, context) },
    { name: 'a server further down was taken over: it names a workload of ours, and certifies a key of the revocation stream', control: 'its authority is restricted to SVIDs, and what it signs is in no ledger: unindexed', run: () => signBelow(server, door, rogue, `spiffe://${trustDomain}/payments`, places.workloadSocket, context) },
    { name: 'the database of a server is put back to before a revocation', control: 'agents keep the newest head of the stream that the server signed, and show it', run: async () => { const { code, message } = await rollBack(folder, trustDomain, context); return { code, said: message } } },
    ...(await grantAttacks({ folder, server, parentId, workloadSocket: places.workloadSocket, door, rogue }, context)),
    { name: 'a banned agent goes on with the certificate it has', control: 'revocation is looked up at every call and at every handshake', run: () => replayed(server, door, rogue, signal) },
  ]
}

async function newToken(server: RpcChannel, signal: AbortSignal): Promise<string> {
  const { value } = await server.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60 }, { signal })
  return value
}

/** A report about `victim`, signed by whoever has `key`. */
async function reportLeak(door: Door, victim: PrivateKey, key: PrivateKey): Promise<void> {
  using server = openDoor(door)
  await server.unary('mayfly.v1.Leaks', 'Report', { publicKey: Buffer.from(victim.spki), signature: Buffer.from(key.sign(leakStatement(trustDomain, publicKeyHash(victim.spki)))) })
}

async function revokeActive(server: RpcChannel, signal: AbortSignal): Promise<void> {
  const { authorities } = await server.unary('mayfly.v1.Authorities', 'List', {}, { signal })
  await server.unary('mayfly.v1.Authorities', 'Revoke', { id: authorities.find(({ state }) => state === 'active')?.id ?? '' }, { signal })
}

/** An SVID is good until its key says that it leaked, with no right but the key; then the agent refuses it for everybody who asks. */
async function leaked(server: RpcChannel, door: Door, workloadSocket: string, { clock, signal }: Context): Promise<Refusal> {
  const key = PrivateKey.generate()
  const csr = Buffer.from(buildCsr(key, { uris: [`spiffe://${trustDomain}/copied`] }))
  const { svid } = await server.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr, ttl: 300 }, { signal })
  using agent = RpcChannel.connectUnix(workloadSocket, { clock })
  const ask = () => agent.unary('mayfly.v1.Verifier', 'Check', { chain: svid?.certChain ?? [], class: 'strict', allow: [`spiffe://${trustDomain}/copied`] }, { signal })
  const before = await ask()
  if (!before.accepted) throw new MayflyError('INTERNAL', `it was refused before: ${before.verdict}`)
  await reportLeak(door, key, key)
  for (const leftMs of Array.from({ length: 100 }, (_, at) => 1_000 - at * 10)) {
    const { accepted, verdict, reason } = await ask()
    if (!accepted) return { code: verdict.toUpperCase(), said: `${reason}, by one signature of the key itself` }
    await clock.sleep(Math.min(10, leftMs), signal)
  }
  throw new MayflyError('EXPECTATION_FAILED', 'it was let through')
}

async function resumed(server: RpcChannel, parentId: string, workloadSocket: string, context: Context): Promise<Refusal> {
  const verdict = await resumeAfterRevocation(server, parentId, workloadSocket, { ...context, trustDomain })
  return { code: verdict.toUpperCase(), said: 'the connection was closed before a byte was read' }
}

async function heldBack(server: RpcChannel, door: Door, workloadSocket: string, context: Context): Promise<Refusal> {
  const { verdict, leftFor, afterMs } = await withholdRevocation(server, door, workloadSocket, context)
  return { code: verdict.toUpperCase(), said: `the relay was left (${leftFor}), and the identity refused ${afterMs} ms after its revocation` }
}

async function playedOld(server: RpcChannel, door: Door, workloadSocket: string, context: Context): Promise<Refusal> {
  const { verdict } = await playOldSnapshot(server, door, workloadSocket, context)
  return { code: verdict.toUpperCase(), said: 'the verifier has no state that is new enough, and accepts nobody' }
}

async function askForEntry(door: Door, loot: Loot | undefined, entryId: string): Promise<void> {
  using server = openDoor(door, loot)
  const { results } = await server.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: Buffer.from(buildCsr(PrivateKey.generate())) }] })
  requireOk(results[0]?.status)
}

async function listEntries(door: Door, loot: Loot): Promise<void> {
  using server = openDoor(door, loot)
  await server.unary('spire.api.server.entry.v1.Entry', 'ListEntries', {})
}

async function registerReserved(server: RpcChannel, parentId: string, signal: AbortSignal): Promise<void> {
  const entry = entryToWire({ spiffeId: `spiffe://${trustDomain}/spire/server`, parentId, selectors: ['unix:uid:0'] })
  const { results } = await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [entry] }, { signal })
  requireOk(results[0]?.status)
}

async function deniedIntruder(binary: string, socket: string, { clock, signal }: Context): Promise<Refusal> {
  await using intruder = new Actor('intruder', binary, ['ask'], socket, clock)
  const answer = await intruder.when(({ event }) => event === 'denied' || event === 'svid', 'an answer', 10_000, signal)
  if (answer.event !== 'denied') throw new MayflyError('EXPECTATION_FAILED', 'it was given an identity')
  return { code: String(answer['code']), said: String(answer['message']) }
}

async function lured(folder: string, address: string, token: string, { clock, signal }: Context): Promise<Refusal> {
  const data = join(folder, 'lured')
  await mkdir(data)
  const line = formatJoinLine({ address, token, trustDomain, bundleDigest: '0'.repeat(64) })
  const agent = Service.start('agent', ['--data', data, '--join', line], join(folder, 'lured.log'))
  const limit = new AbortController()
  const code = await Promise.race([agent.exited, clock.sleep(10_000, AbortSignal.any([signal, limit.signal])).then(() => undefined)])
  limit.abort()
  const said = agent.failure().message
  await agent.stop(true)
  if (code === 1 && said.includes('was told to expect')) return { code: 'BOOTSTRAP_PIN_MISMATCH', said }
  throw new MayflyError('EXPECTATION_FAILED', code === undefined ? 'it joined' : `it ended otherwise: ${said}`)
}

async function garbage(installation: Installation, door: Door, random: Random, context: Context): Promise<Refusal> {
  const { places } = installation
  const [host = '', port = ''] = door.address.split(/:(?=\d+$)/)
  const targets: readonly NetConnectOpts[] = [{ path: places.serverSocket }, { path: places.agentSocket }, { path: places.workloadSocket }, { host, port: Number(port) }]
  await Promise.all(targets.flatMap((target) => Array.from({ length: 8 }, () => pour(target, random.bytes(100_000)))))
  const options = { 'server-socket': places.serverSocket, 'agent-socket': places.agentSocket }
  await Promise.all([serverStatus(options, context), agentStatus(options, context)])
  return { code: 'CLOSED', said: `${targets.length * 8} connections were closed, and server and agent answer` }
}

/** Resolves when the other side has closed, or at the end of what there is to pour. */
async function pour(target: NetConnectOpts, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection(target, () => socket.end(bytes))
    socket.on('error', () => resolve()).on('close', () => resolve())
    socket.resume()
  })
}

async function replayed(server: RpcChannel, door: Door, rogue: Loot, signal: AbortSignal): Promise<Refusal> {
  await server.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: idToWire(rogue.id) }, { signal })
  return refusalOf(async () => {
    using again = openDoor(door, rogue)
    await again.unary('spire.api.server.agent.v1.Agent', 'RenewAgent', { params: { csr: Buffer.from(buildCsr(PrivateKey.generate())) } })
  })
}
