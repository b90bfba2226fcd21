import { formatHttpChallenge, httpChallengePath, httpNonceOf, parseHttpChallengePayload } from '../../src/attest/http-challenge.ts'
import { nonceBytes } from '../../src/attest/nonces.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { spiffeIdOf } from '../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { fetchNonce } from './fetch-nonce.ts'
import type { ReachableAddresses } from './networks.ts'
import type { AttestingNode, NodeAttestor, NodeProof } from './node-attestor.ts'

export interface HttpChallengeDeps {
  readonly clock: Clock
  readonly random: Random
  readonly trustDomain: TrustDomain
  /** `node7.example.org`, or `*.example.org` for one label in place of the star. */
  readonly allowedHosts: readonly string[]
  readonly allowedPorts: readonly number[]
  readonly reachable: ReachableAddresses
  /** Whoever comes first has the ID until it is evicted. */
  readonly firstUse: boolean
  /** All addresses of a name. */
  readonly resolve: (hostName: string) => Promise<readonly string[]>
}

const limitMs = 10_000

/**
 * Node attestor `http_challenge`: whoever serves the nonce on a port of a host is that host. The request is made to an address that was checked after the name was
 * resolved, so that a name that changes its mind leads nowhere else, and to nothing inside unless the configuration says so.
 */
export class HttpChallenge implements NodeAttestor {
  readonly type = 'http_challenge'
  readonly #deps: HttpChallengeDeps

  constructor(deps: HttpChallengeDeps) {
    this.#deps = deps
  }

  async *prove(payload: Uint8Array, { signal }: AttestingNode): AsyncGenerator<Uint8Array, NodeProof, Uint8Array> {
    const { random, trustDomain, allowedHosts, allowedPorts, firstUse } = this.#deps
    const { hostName, agentName, port } = parseHttpChallengePayload(payload)
    if (!allowedHosts.some((pattern) => isHostOf(pattern, hostName))) throw refused(`the host ${hostName} is none that may attest`)
    if (!allowedPorts.includes(port)) throw refused(`port ${port} is none that this server asks at`)
    const nonce = httpNonceOf(random.bytes(nonceBytes))
    yield formatHttpChallenge(nonce)
    const path = httpChallengePath(agentName)
    const found = await within(limitMs, this.#deps.clock, signal, async (limited) => await fetchNonce({ address: await this.#addressOf(hostName), port, hostName, path }, limited))
    if (found !== nonce) throw refused(`the host ${hostName} serves another text than the nonce`)
    return { agentId: spiffeIdOf(trustDomain, `/spire/agent/http_challenge/${hostName}`), selectorValues: [`hostname:${hostName}`], again: firstUse ? 'once' : 'often' }
  }

  /** One forbidden address among several is enough to refuse the name. */
  async #addressOf(hostName: string): Promise<string> {
    const { resolve, reachable } = this.#deps
    let addresses: readonly string[]
    try {
      addresses = await resolve(hostName)
    } catch (cause) {
      throw refused(`the host ${hostName} has no address`, cause)
    }
    const [first] = addresses
    if (first === undefined) throw refused(`the host ${hostName} has no address`)
    if (!addresses.every((address) => reachable.may(address))) {
      throw new MayflyError('ATTESTATION_REFUSED', `the host ${hostName} leads to an address that this server must not ask`, { hint: 'nodeAttestors.httpChallenge.allowedNetworks names private networks of nodes' })
    }
    return first
  }
}

/** The whole name, one label for a star at its beginning. */
export function isHostOf(pattern: string, hostName: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === hostName
  const dot = hostName.indexOf('.')
  return dot > 0 && hostName.slice(dot + 1) === pattern.slice(2)
}

async function within<T>(ms: number, clock: Clock, outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController()
  const signal = AbortSignal.any([outer, over.signal])
  const late = refused(`the host did not answer within ${ms / 1_000} s`)
  const limit = clock.sleep(ms, signal).then(() => {
    over.abort(late)
    throw late
  })
  try {
    return await Promise.race([work(signal), limit])
  } finally {
    over.abort(late)
    await limit.catch(() => undefined) // it was only a limit
  }
}

function refused(why: string, cause?: unknown): MayflyError {
  return new MayflyError('ATTESTATION_REFUSED', why, { cause })
}
