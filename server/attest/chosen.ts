import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { parseAuthorizedKey } from '../../src/ssh/public-key.ts'
import type { SshPublicKey } from '../../src/ssh/public-key.ts'
import { BundleSet } from '../../src/verify/bundle-set.ts'
import type { TrustAnchor } from '../../src/verify/bundle-set.ts'
import { decodeCertificatesPem } from '../../src/x509/pem.ts'
import { AgentPath, sshpopNames, x509popNames } from './agent-path.ts'
import type { NodeAttestorsConfig } from './config.ts'
import { HttpChallenge } from './http-challenge.ts'
import { parseNetwork, ReachableAddresses } from './networks.ts'
import type { NodeAttestor } from './node-attestor.ts'
import { Sshpop } from './sshpop.ts'
import { X509pop } from './x509pop.ts'

export interface ChosenDeps {
  readonly clock: Clock
  readonly random: Random
  readonly trustDomain: TrustDomain
  /** `undefined` when there is no such file. */
  readonly readFileBounded: (path: string, maxBytes: number) => Promise<Uint8Array | undefined>
  /** All addresses of a name. */
  readonly resolve: (hostName: string) => Promise<readonly string[]>
}

const maxFileBytes = 1_048_576

/** The attestors that the configuration asks for. Files of authorities are read once now, so that what is wrong with them is said at the start, and again whenever they have changed. @throws {MayflyError} CONFIG_INVALID */
export async function chosenAttestors({ x509pop, httpChallenge, sshpop }: NodeAttestorsConfig, deps: ChosenDeps): Promise<readonly NodeAttestor[]> {
  const attestors: NodeAttestor[] = []
  if (x509pop !== undefined) {
    const anchors = await followed('nodeAttestors.x509pop.caBundle', x509pop.caBundle, deps, (text) => anchorsIn(text, deps.trustDomain))
    attestors.push(new X509pop({ ...deps, anchors, agentPath: AgentPath.parse(x509pop.agentPath, x509popNames) }))
  }
  if (httpChallenge !== undefined) {
    const reachable = new ReachableAddresses(httpChallenge.allowedNetworks.flatMap((network) => parseNetwork(network) ?? []))
    attestors.push(new HttpChallenge({ ...deps, ...httpChallenge, reachable }))
  }
  if (sshpop !== undefined) {
    const authorities = await followed('nodeAttestors.sshpop.authorities', sshpop.authorities, deps, authoritiesIn)
    attestors.push(new Sshpop({ ...deps, ...sshpop, authorities, agentPath: AgentPath.parse(sshpop.agentPath, sshpopNames) }))
  }
  return attestors
}

/** What a file says, parsed anew only when it says something else. */
async function followed<T>(setting: string, path: string, { readFileBounded }: ChosenDeps, parse: (text: string) => T): Promise<() => Promise<T>> {
  let last: { readonly text: string; readonly value: T } | undefined
  const read = async (): Promise<T> => {
    const bytes = await readFileBounded(path, maxFileBytes)
    if (bytes === undefined) throw new MayflyError('CONFIG_INVALID', `${setting}: there is no file ${path}`)
    const text = new TextDecoder().decode(bytes)
    if (last?.text !== text) last = { text, value: parsed(setting, path, () => parse(text)) }
    return last.value
  }
  await read()
  return read
}

function parsed<T>(setting: string, path: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof MayflyError) throw new MayflyError('CONFIG_INVALID', `${setting}: ${path}: ${error.message}`, { cause: error })
    throw error
  }
}

function anchorsIn(text: string, trustDomain: TrustDomain): readonly TrustAnchor[] {
  const anchors = BundleSet.of({ trustDomain, x509Authorities: decodeCertificatesPem(text) }).authoritiesOf(trustDomain)
  if (anchors.length === 0) throw new MayflyError('CONFIG_INVALID', 'it has no certificate')
  return anchors
}

/** Lines of authorized_keys, or of known_hosts with `@cert-authority` and a pattern before the key. */
function authoritiesIn(text: string): readonly SshPublicKey[] {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
  if (lines.length === 0) throw new MayflyError('CONFIG_INVALID', 'it has no key')
  return lines.map((line) => parseAuthorizedKey(line.replace(/^@cert-authority \S+ /, '')))
}
