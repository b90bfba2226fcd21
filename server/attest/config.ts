import { flag, group, integer, list, optional, record, required, text, withDefault } from '../../src/config/fields.ts'
import type { Field } from '../../src/config/fields.ts'
import { isHostName } from '../../src/attest/http-challenge.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { AgentPath, defaultAgentPath, sshpopNames, x509popNames } from './agent-path.ts'
import { parseNetwork } from './networks.ts'

const x509pop = {
  caBundle: required(text()),
  agentPath: withDefault(text(512), defaultAgentPath),
}
const httpChallenge = {
  allowedHosts: required(list(text(253), 100)),
  allowedPorts: withDefault(list(integer(1, 65_535), 100), [80]),
  allowedNetworks: withDefault(list(text(50), 100), []),
  firstUse: withDefault(flag(), true),
}
const sshpop = {
  authorities: required(text()),
  canonicalDomain: optional(text(253)),
  agentPath: withDefault(text(512), defaultAgentPath),
  allowSha1: withDefault(flag(), false),
}

/** How nodes may prove themselves beside join tokens; what is unset is not offered. */
export interface NodeAttestorsConfig {
  readonly x509pop: X509popConfig | undefined
  readonly httpChallenge: HttpChallengeConfig | undefined
  readonly sshpop: SshpopConfig | undefined
}

export interface X509popConfig {
  /** PEM file of the authorities. */
  readonly caBundle: string
  readonly agentPath: string
}

export interface HttpChallengeConfig {
  readonly allowedHosts: readonly string[]
  readonly allowedPorts: readonly number[]
  /** Private networks that may be asked. */
  readonly allowedNetworks: readonly string[]
  readonly firstUse: boolean
}

export interface SshpopConfig {
  /** File of the authorities' public keys, a line each. */
  readonly authorities: string
  readonly canonicalDomain: string | undefined
  readonly agentPath: string
  readonly allowSha1: boolean
}

/** The keys below `nodeAttestors`. */
export const nodeAttestorFields: Field<NodeAttestorsConfig> = group({ x509pop: optional(record(x509pop)), httpChallenge: optional(record(httpChallenge)), sshpop: optional(record(sshpop)) })

/** What is wrong with it, each with its path. */
export function nodeAttestorProblems({ x509pop, httpChallenge, sshpop }: NodeAttestorsConfig): readonly string[] {
  const problems: string[] = []
  const checked = (path: string, parse: () => unknown): void => {
    try {
      parse()
    } catch (error) {
      if (!(error instanceof MayflyError)) throw error
      problems.push(`${path}: ${error.message}; ${error.hint ?? ''}`)
    }
  }
  if (x509pop !== undefined) checked('nodeAttestors.x509pop.agentPath', () => AgentPath.parse(x509pop.agentPath, x509popNames))
  if (sshpop !== undefined) checked('nodeAttestors.sshpop.agentPath', () => AgentPath.parse(sshpop.agentPath, sshpopNames))
  if (httpChallenge === undefined) return problems
  const { allowedHosts, allowedPorts, allowedNetworks, firstUse } = httpChallenge
  if (allowedHosts.length === 0) problems.push('nodeAttestors.httpChallenge.allowedHosts: names no host, so none could attest')
  for (const [at, host] of allowedHosts.entries()) {
    const name = host.startsWith('*.') ? host.slice(2) : host
    if (!isHostName(name) || name !== name.toLowerCase()) problems.push(`nodeAttestors.httpChallenge.allowedHosts[${at}]: must be a DNS name of lower case, or *. before one`)
  }
  for (const [at, network] of allowedNetworks.entries()) if (parseNetwork(network) === undefined) problems.push(`nodeAttestors.httpChallenge.allowedNetworks[${at}]: must be a network such as 10.0.0.0/8 or fd00::/8`)
  if (!firstUse && allowedPorts.some((port) => port >= 1_024)) problems.push('nodeAttestors.httpChallenge.firstUse: must be true when a port that needs no root is allowed: any process of the host could attest')
  return problems
}
