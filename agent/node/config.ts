import { isAgentName, isHostName } from '../../src/attest/http-challenge.ts'
import { address, checked, group, integer, optional, record, required, text, withDefault } from '../../src/config/fields.ts'
import type { Complain, Field, HostAndPort } from '../../src/config/fields.ts'

export interface X509popConfig {
  /** PEM: the certificate of this machine, and what stands above it except the server's own authority. */
  readonly certificate: string
  /** PEM, without passphrase. */
  readonly key: string
  /** PEM, when they are not in the first file. */
  readonly intermediates: string | undefined
}

export interface HttpChallengeConfig {
  /** By which the server reaches this machine. */
  readonly hostName: string
  readonly agentName: string
  /** Port 0: any. */
  readonly listen: HostAndPort
  /** When the server reaches it by another port. */
  readonly advertisedPort: number | undefined
}

export interface SshpopConfig {
  readonly hostKey: string
  readonly hostCertificate: string
}

/** How this node proves itself without a token: at most one is set. */
export interface NodeAttestorConfig {
  readonly x509pop: X509popConfig | undefined
  readonly httpChallenge: HttpChallengeConfig | undefined
  readonly sshpop: SshpopConfig | undefined
}

const x509pop: Field<X509popConfig> = record({ certificate: required(text()), key: required(text()), intermediates: optional(text()) })
const httpChallenge: Field<HttpChallengeConfig> = record({
  hostName: required(checked(text(253), (name, problem) => {
    if (!isHostName(name)) problem('', 'must be a DNS name, and no address')
  })),
  agentName: withDefault(checked(text(32), (name, problem) => {
    if (!isAgentName(name)) problem('', 'must be a letter and up to 31 letters, digits and hyphens')
  }), 'default'),
  listen: withDefault(address(), { host: '0.0.0.0', port: 80 }),
  advertisedPort: optional(integer(1, 65_535)),
})
const sshpop: Field<SshpopConfig> = record({
  hostKey: withDefault(text(), '/etc/ssh/ssh_host_ed25519_key'),
  hostCertificate: withDefault(text(), '/etc/ssh/ssh_host_ed25519_key-cert.pub'),
})

/** The keys below `nodeAttestor`. */
export const nodeAttestorFields: Field<NodeAttestorConfig> = checked(group({ x509pop: optional(x509pop), httpChallenge: optional(httpChallenge), sshpop: optional(sshpop) }), onlyOne)

function onlyOne(config: NodeAttestorConfig, problem: Complain): void {
  if (Object.values(config).filter((each) => each !== undefined).length > 1) problem('', 'a node proves itself in one way: keep one of x509pop, httpChallenge and sshpop')
}
