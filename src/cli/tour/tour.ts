import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { formatDuration } from '../../core/duration.ts'
import { MayflyError } from '../../core/errors.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { onlyAgent } from '../agents.ts'
import { requireOk } from '../batches.ts'
import { connectAgent, connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { Installation } from '../dev/installation.ts'
import { entryToWire } from '../entries.ts'
import { describeError, exitCodes } from '../exit-code.ts'
import { Actor, namedBinary } from './actor.ts'
import type { Fact } from './actor.ts'
import { Story } from './story.ts'

const trustDomain = 'example.org'
const webId = `spiffe://${trustDomain}/tour/web`
const dbId = `spiffe://${trustDomain}/tour/db`
const svidTtl = '20s'

/** What the steps share. */
interface Stage {
  readonly context: Context
  readonly story: Story
  readonly installation: Installation
  readonly server: RpcChannel
  readonly folder: string
}

/** Shows in less than a minute what mayfly does, on real processes in a folder that is removed again. Exit code 1, with the step's name, if a step does not happen. */
export async function runTour(json: boolean, context: Context): Promise<number> {
  const story = new Story(context.output, context.clock, json)
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-tour-'))
  try {
    await play(folder, story, context)
    return exitCodes.ok
  } catch (error) {
    if (context.signal.aborted) throw error
    story.failed(error instanceof MayflyError ? error : new MayflyError('INTERNAL', describeError(error).replace('mayfly: ', ''), { cause: error }))
    return exitCodes.failed
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function play(folder: string, story: Story, context: Context): Promise<void> {
  const { clock } = context
  story.opening('mayfly in a minute: two processes that were given no secret, on a server and an agent of their own')

  const startedMs = clock.nowMs()
  story.step('serve', 'a server and an agent start as two processes')
  await using installation = await Installation.start({ data: join(folder, 'data'), trustDomain, x509SvidTtl: svidTtl }, context)
  story.say(`both serve ${formatDuration(clock.nowMs() - startedMs)} later: server pid ${installation.server.pid}, agent pid ${installation.agent.pid}`)
  using server = await connectServer(socketsOf(installation), context)
  const stage: Stage = { context, story, installation, server, folder }

  const binaries = await register(stage)
  story.step('identities', 'the two programs start, with nothing but the path of a socket')
  const socket = installation.places.workloadSocket
  await using db = new Actor('db', binaries.db, ['serve', webId], socket, clock)
  await using web = new Actor('web', binaries.web, ['call', dbId], socket, clock)
  for (const actor of [web, db]) await received(stage, actor)
  const port = await meet(stage, web, db)
  await turnAway(stage, binaries.stranger)
  await rotate(stage, web, db)
  await revoke(stage, web, db, port)
  story.closing('all of it happened as shown; nothing is left running')
}

async function register({ context, story, server, folder }: Stage): Promise<{ readonly web: string; readonly db: string; readonly stranger: string }> {
  story.step('register', 'two workloads are registered, told apart by the path of their binary')
  const bin = join(folder, 'bin')
  const web = await namedBinary(bin, 'web')
  const db = await namedBinary(bin, 'db')
  const stranger = await namedBinary(bin, 'stranger')
  const parentId = await onlyAgent(server, context.signal)
  const entries = [
    entryToWire({ spiffeId: webId, parentId, selectors: [`unix:path:${web}`] }),
    entryToWire({ spiffeId: dbId, parentId, selectors: [`unix:path:${db}`] }),
  ]
  const { results } = await server.unary('mayfly.v1.Registry', 'CreateEntries', { entries }, { signal: context.signal })
  for (const result of results) requireOk(result.status)
  story.say(`${webId}  for  unix:path:${web}`)
  story.say(`${dbId}   for  unix:path:${db}`)
  return { web, db, stranger }
}

async function received({ context, story }: Stage, actor: Actor): Promise<void> {
  const fact = await actor.when(({ event }) => event === 'svid', 'its first SVID', 10_000, context.signal)
  story.say(`${actor.name} (pid ${actor.pid}) holds ${text(fact, 'spiffeId')}, serial ${text(fact, 'serial')}, ${number(fact, 'askedMs')} ms after it asked`)
}

async function meet({ context, story }: Stage, web: Actor, db: Actor): Promise<number> {
  story.step('mTLS', 'web calls db; each checks the other with what the Workload API gave it, and nothing else')
  const listening = await db.when(({ event }) => event === 'listening', 'a port to call', 5_000, context.signal)
  const port = number(listening, 'port')
  web.tell(`connect ${port}`)
  const connected = await web.when(({ event }) => event === 'connected', 'the call', 10_000, context.signal)
  const accepted = await db.when(({ event }) => event === 'accepted', 'the call', 10_000, context.signal)
  story.say(`web sees ${text(connected, 'peer')}, db sees ${text(accepted, 'peer')}; ${text(connected, 'protocol')}, handshake in ${number(connected, 'tookMs')} ms`)
  return port
}

async function turnAway({ context, story, installation }: Stage, binary: string): Promise<void> {
  story.step('stranger', 'a third process of the same user asks too')
  await using stranger = new Actor('stranger', binary, ['ask'], installation.places.workloadSocket, context.clock)
  const denied = await stranger.when(({ event }) => event === 'denied' || event === 'svid', 'an answer', 10_000, context.signal)
  if (denied.event !== 'denied') throw new MayflyError('EXPECTATION_FAILED', `the stranger was given ${text(denied, 'spiffeId')}`)
  story.say(`stranger (pid ${stranger.pid}) gets ${text(denied, 'status')}: ${text(denied, 'message')}`)
  using agent = await connectAgent(socketsOf(installation), context)
  const why = await agent.unary('mayfly.v1.AgentAdmin', 'ExplainProcess', { pid: stranger.pid }, { signal: context.signal })
  story.say(`why: it shows ${why.selectors.find((selector) => selector.startsWith('unix:path:')) ?? 'no path'}`)
  for (const entry of why.entries) story.say(`     ${entry.spiffeId} wants ${entry.missingSelectors.join(' and ')}`)
}

async function rotate({ context, story }: Stage, web: Actor, db: Actor): Promise<void> {
  story.step('rotation', `SVIDs live ${svidTtl} here and are renewed at half of it; the connection stays open`)
  const rotated = await web.when(({ event }) => event === 'rotated', 'a rotation', 20_000, context.signal)
  story.say(`web: serial ${text(rotated, 'from')}`)
  story.say(`     became ${text(rotated, 'to')}`)
  web.tell('pings')
  const pings = await web.when(({ event, atMs }) => event === 'pings' && atMs >= rotated.atMs, 'word of the connection', 5_000, context.signal)
  if (pings['open'] !== true) throw new MayflyError('EXPECTATION_FAILED', 'the connection did not survive the rotation')
  story.say(`the connection of before is open: ${number(pings, 'count')} questions answered on it, longest wait ${number(pings, 'longestMs')} ms`)
  web.tell(`connect ${number(await db.when(({ event }) => event === 'listening', 'its port', 1_000, context.signal), 'port')}`)
  const anew = await db.when(({ event, serial }) => event === 'accepted' && serial === rotated['to'], 'a call with the new serial', 10_000, context.signal)
  story.say(`a new call presents the new one: db sees serial ${text(anew, 'serial')}`)
}

async function revoke({ context, story, server }: Stage, web: Actor, db: Actor, port: number): Promise<void> {
  story.step('revoke', `mayfly revoke ${webId}, while a copy of its credential calls again and again`)
  web.tell(`probe ${port}`)
  await web.when(({ event }) => event === 'probing', 'the calls', 5_000, context.signal)
  const saidMs = context.clock.nowMs()
  const done = await server.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: webId }, reason: 'the tour' }, { signal: context.signal })
  story.say(`it ends ${done.credentials} credentials of ${done.workloads} workload and disables the ID`)
  const refused = await db.when(({ event, atMs }) => event === 'refused' && atMs >= saidMs, 'a refusal', 10_000, context.signal)
  const cut = await db.when(({ event, atMs }) => event === 'cut' && atMs >= saidMs, 'the cut', 10_000, context.signal)
  const closed = await web.when(({ event, atMs }) => event === 'closed' && atMs >= saidMs, 'the end of its connection', 10_000, context.signal)
  web.tell('again')
  const denied = await web.when(({ event, atMs }) => event === 'denied' && atMs >= saidMs, 'the refusal of a new SVID', 10_000, context.signal)
  story.timeline(saidMs, [
    { atMs: saidMs, what: 'revoke', detail: 'the command is sent' },
    { atMs: done.committedAtMs, what: 'committed', detail: `by the server, stream ${done.epoch}/${done.streamSeq}` },
    { atMs: refused.atMs, what: 'refused by the peer', detail: `db turns a new handshake down: ${text(refused, 'verdict')}` },
    { atMs: cut.atMs, what: 'connection cut', detail: `db ends the open one: ${text(cut, 'reason')}` },
    { atMs: closed.atMs, what: 'seen by web', detail: 'its connection is gone' },
    { atMs: denied.atMs, what: 're-issue refused', detail: `web asks for another SVID: ${text(denied, 'status')}` },
  ])
}

function socketsOf({ places }: Installation): { readonly 'server-socket': string; readonly 'agent-socket': string } {
  return { 'server-socket': places.serverSocket, 'agent-socket': places.agentSocket }
}

function text(fact: Fact, field: string): string {
  const value = fact[field]
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function number(fact: Fact, field: string): number {
  const value = fact[field]
  return typeof value === 'number' ? value : Number.NaN
}
