import { isAgentName, isHostName } from '../../src/attest/http-challenge.ts'
import { address, group, integer, optional, record, required, text, withDefault } from '../../src/config/fields.ts'
import type { Field, HostAndPort } from '../../src/config/fields.ts'

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
  hostName: required(text(253)),
  agentName: withDefault(text(32), 'default'),
  listen: withDefault(address(), { host: '0.0.0.0', port: 80 }),
  advertisedPort: optional(integer(1, 65_535)),
})
const sshpop: Field<SshpopConfig> = record({
  hostKey: withDefault(text(), '/etc/ssh/ssh_host_ed25519_key'),
  hostCertificate: withDefault(text(), '/etc/ssh/ssh_host_ed25519_key-cert.pub'),
})

/** The keys below `nodeAttestor`. */
export const nodeAttestorFields: Field<NodeAttestorConfig> = group({ x509pop: optional(x509pop), httpChallenge: optional(httpChallenge), sshpop: optional(sshpop) })

/** What is wrong with it, each with its path. */
export function nodeAttestorProblems(config: NodeAttestorConfig): readonly { readonly path: string; readonly message: string }[] {
  const { httpChallenge: http } = config
  const problems: { path: string; message: string }[] = []
  if (Object.values(config).filter((each) => each !== undefined).length > 1) problems.push({ path: 'nodeAttestor', message: 'a node proves itself in one way: keep one of x509pop, httpChallenge and sshpop' })
  if (http !== undefined && !isHostName(http.hostName)) problems.push({ path: 'nodeAttestor.httpChallenge.hostName', message: 'must be a DNS name, and no address' })
  if (http !== undefined && !isAgentName(http.agentName)) problems.push({ path: 'nodeAttestor.httpChallenge.agentName', message: 'must be a letter and up to 31 letters, digits and hyphens' })
  return problems
}
