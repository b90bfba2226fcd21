import { checked, flag, group, integer, list, optional, record, required, text, withDefault } from '../../src/config/fields.ts'
import type { Complain, Field } from '../../src/config/fields.ts'
import { isHostName } from '../../src/attest/http-challenge.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { AgentPath, defaultAgentPath, sshpopNames, x509popNames } from './agent-path.ts'
import { parseNetwork } from './networks.ts'

const x509pop = {
  caBundle: required(text()),
  agentPath: withDefault(agentPath(x509popNames), defaultAgentPath),
}
const httpChallenge = {
  allowedHosts: required(checked(list(checked(text(253), aboutHost), 100), (hosts, problem) => {
    if (hosts.length === 0) problem('', 'names no host, so none could attest')
  })),
  allowedPorts: withDefault(list(integer(1, 65_535), 100), [80]),
  allowedNetworks: withDefault(list(checked(text(50), aboutNetwork), 100), []),
  firstUse: withDefault(flag(), true),
}
const sshpop = {
  authorities: required(text()),
  canonicalDomain: optional(text(253)),
  agentPath: withDefault(agentPath(sshpopNames), defaultAgentPath),
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
export const nodeAttestorFields: Field<NodeAttestorsConfig> = group({ x509pop: optional(record(x509pop)), httpChallenge: optional(checked(record(httpChallenge), aboutFirstUse)), sshpop: optional(record(sshpop)) })

function agentPath(names: readonly string[]): Field<string> {
  return checked(text(512), (template, problem) => {
    try {
      AgentPath.parse(template, names)
    } catch (error) {
      if (!(error instanceof MayflyError)) throw error
      problem('', `${error.message}; ${error.hint ?? ''}`)
    }
  })
}

function aboutHost(host: string, problem: Complain): void {
  const name = host.startsWith('*.') ? host.slice(2) : host
  if (!isHostName(name) || name !== name.toLowerCase()) problem('', 'must be a DNS name of lower case, or *. before one')
}

function aboutNetwork(network: string, problem: Complain): void {
  if (parseNetwork(network) === undefined) problem('', 'must be a network such as 10.0.0.0/8 or fd00::/8')
}

function aboutFirstUse({ allowedPorts, firstUse }: HttpChallengeConfig, problem: Complain): void {
  if (!firstUse && allowedPorts.some((port) => port >= 1_024)) problem('firstUse', 'must be true when a port that needs no root is allowed: any process of the host could attest')
}
