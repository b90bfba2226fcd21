import { MayflyError } from '../../src/core/errors.ts'
import { trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import type { AgentConfig } from '../config.ts'
import { chosenAttestor } from '../node/chosen.ts'
import { joinToken } from '../node/join-token.ts'
import type { NodeAttestor } from '../node/node-attestor.ts'
import { backoffMs } from '../rotation/schedule.ts'
import type { AgentState, ServerPlace } from './agent-state.ts'
import type { AgentSvid } from './agent-svid.ts'
import { attestNode } from './attestation.ts'
import { currentBundle, firstTrust } from './bootstrap.ts'
import type { Bootstrap } from './bootstrap.ts'
import { rejoinHint } from './membership.ts'
import { Trust } from './trust.ts'

/** How an agent comes by its identity: the one it has, or by joining. Known before anything listens, so that what is missing is said at once. */
export type Entrance =
  | { readonly kind: 'kept'; readonly place: ServerPlace; readonly svid: AgentSvid; readonly bundle: TrustBundle }
  | { readonly kind: 'join'; readonly place: ServerPlace; readonly attestor: NodeAttestor; readonly bootstrap: Bootstrap; readonly known?: TrustBundle }

export interface JoiningDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly state: AgentState
  readFile(path: string): Promise<string>
}

/** @throws {MayflyError} AGENT_NOT_ATTESTED, AGENT_EXPIRED, CONFIG_INVALID */
export async function entranceOf(config: AgentConfig, { state, clock, random, readFile }: JoiningDeps): Promise<Entrance> {
  const kept = await state.loadSvid()
  const before = await state.loadServer()
  const address = config.serverAddress ?? before?.address
  const trustDomain = config.trustDomain ?? (kept === undefined ? before?.trustDomain : trustDomainOf(kept.id))
  if (address === undefined || trustDomain === undefined) {
    const missing = config.joinFile === undefined ? '' : config.joinFile === '-' ? ', and no join line came' : `, and ${config.joinFile} is not there`
    throw new MayflyError('AGENT_NOT_ATTESTED', `this agent has not joined a server${missing}`, { hint: 'mayfly token create prints the line for mayfly agent run --join-file FILE' })
  }
  const place = { address, trustDomain }
  const isLive = kept !== undefined && trustDomainOf(kept.id) === trustDomain && kept.notAfterMs > clock.nowMs()
  const bundle = isLive ? await state.loadBundle(trustDomain) : undefined
  if (isLive && bundle !== undefined) return { kind: 'kept', place, svid: kept, bundle }
  if (config.join !== undefined) return { kind: 'join', place, attestor: joinToken(config.join.token), bootstrap: await bootstrapOf(config, readFile) }
  const attestor = await chosenAttestor(config.nodeAttestor, { random, readFile })
  if (attestor !== undefined) {
    const known = await state.loadBundle(trustDomain)
    return { kind: 'join', place, attestor, bootstrap: await bootstrapOf(config, readFile), ...(known === undefined ? {} : { known }) }
  }
  if (kept !== undefined) throw new MayflyError('AGENT_EXPIRED', 'the SVID of this agent expired while it did not run', { hint: rejoinHint })
  throw new MayflyError('AGENT_NOT_ATTESTED', 'this agent has no identity of an earlier life', { hint: rejoinHint })
}

async function bootstrapOf({ join, trustBundleFile, trustBundleDigest }: AgentConfig, readFile: JoiningDeps['readFile']): Promise<Bootstrap> {
  if (trustBundleFile !== undefined) return { kind: 'bundle', text: await readFile(trustBundleFile) }
  const digest = join?.bundleDigest ?? trustBundleDigest
  return digest === undefined ? { kind: 'insecure' } : { kind: 'pin', digest }
}

export interface Joined {
  readonly trust: Trust
  readonly svid: AgentSvid
}

const retry = { leastMs: 100, mostMs: 3_000 }
/** A server that is started at the same time gets this long to come up. */
const patienceMs = 60_000

/** @throws {MayflyError} what the server or the pin refuses; UNAVAILABLE when no server answers in time */
export async function join(entrance: Entrance, deps: JoiningDeps, signal: AbortSignal): Promise<Joined> {
  if (entrance.kind === 'kept') return { trust: new Trust(entrance.bundle), svid: entrance.svid }
  const { clock, log, state } = deps
  const { place, attestor, bootstrap } = entrance
  const bundle = await whileAway(deps, signal, async () => (await currentBundle(entrance.known, place.address, clock, signal)) ?? (await firstTrust(bootstrap, place.address, place.trustDomain, clock, signal)))
  if (bootstrap.kind === 'insecure') log.warn({ event: 'agent.insecure_bootstrap', address: place.address }, 'believed the first server that answered')
  const trust = new Trust(bundle)
  const attest = async (): Promise<AgentSvid> => await attestNode(place.address, attestor, trust, clock, signal)
  // A token is not shown again when it is unknown what came of it: it is spent once.
  const svid = attestor.again ? await whileAway(deps, signal, attest) : await attest()
  await state.saveBundle(bundle)
  await state.saveServer(place)
  await state.saveSvid(svid)
  log.info({ event: 'agent.joined', agentId: svid.id, serial: svid.serial, notAfterMs: svid.notAfterMs, address: place.address }, 'joined the server')
  return { trust, svid }
}

async function whileAway<T>({ clock, random, log }: JoiningDeps, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  const giveUpAtBootMs = clock.bootMs() + patienceMs
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      const isAway = error instanceof MayflyError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED')
      if (!isAway || clock.bootMs() > giveUpAtBootMs) throw error
      log.warn({ event: 'server.away', cause: error.message, failures }, 'the server does not answer yet')
      await clock.sleep(backoffMs(failures, retry, random), signal)
    }
  }
}
