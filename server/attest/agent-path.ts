import { MayflyError } from '../../src/core/errors.ts'
import { hasGrantSegment, isAgentId, isSpiffeId, parseSpiffeId, trustDomainId } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'

/** What the path of an agent may have of its certificate. */
export const x509popNames = ['PluginName', 'Fingerprint', 'FingerprintSHA256', 'SerialNumberHex', 'Subject.CommonName'] as const
/** What it may have of its host certificate. */
export const sshpopNames = ['PluginName', 'Fingerprint', 'Hostname'] as const
/** SPIRE's, of both. */
export const defaultAgentPath = '/{{ .PluginName }}/{{ .Fingerprint }}'

/** Of an agent's ID, what follows `/spire/agent`: SPIRE's templates, of which only names in braces are taken. */
export class AgentPath<Name extends string> {
  readonly #parts: readonly (string | { readonly name: Name })[]

  private constructor(parts: readonly (string | { readonly name: Name })[]) {
    this.#parts = parts
  }

  /**
   * `/x509pop/{{ .Fingerprint }}`. Something of what was proven must be in it, or every node would be the same agent.
   * @throws {MayflyError} CONFIG_INVALID
   */
  static parse<const Name extends string>(template: string, names: readonly Name[]): AgentPath<Name> {
    const parts: (string | { readonly name: Name })[] = []
    const fail = (why: string): MayflyError => new MayflyError('CONFIG_INVALID', `${why}: ${JSON.stringify(template)}`, { hint: `names that a path may have: ${names.map((name) => `{{ .${name} }}`).join(', ')}` })
    for (const part of template.split(/(\{\{.*?\}\})/)) {
      const [, wanted] = /^\{\{ ?\.([A-Za-z0-9.]{1,64}) ?\}\}$/.exec(part) ?? []
      const name = names.find((known) => known === wanted)
      if (part.startsWith('{{') && name === undefined) throw fail('a path of agents has a name that is not known')
      if (name !== undefined) parts.push({ name })
      else if (/^[A-Za-z0-9._/-]*$/.test(part)) parts.push(part)
      else throw fail('a path of agents has a character that no path may have')
    }
    if (!template.startsWith('/') || !isSpiffeId(`spiffe://x/spire/agent${template.replaceAll(/\{\{.*?\}\}/g, 'x')}`)) throw fail('a path of agents begins with / and has no empty part')
    if (!parts.some((part) => typeof part !== 'string' && part.name !== 'PluginName')) throw fail('a path of agents without anything of the node in it')
    return new AgentPath(parts)
  }

  /** @throws {MayflyError} ATTESTATION_REFUSED a value is missing, or has what no segment of a path may have */
  idOf(trustDomain: TrustDomain, values: Readonly<Record<Name, string | undefined>>): SpiffeId {
    const path = this.#parts.map((part) => (typeof part === 'string' ? part : segmentOf(part.name, values[part.name]))).join('')
    const id = `${trustDomainId(trustDomain)}/spire/agent${path}`
    if (isSpiffeId(id)) {
      const agentId = parseSpiffeId(id)
      if (isAgentId(agentId) && !hasGrantSegment(agentId)) return agentId
    }
    throw new MayflyError('ATTESTATION_REFUSED', `no agent can be called ${JSON.stringify(path.slice(0, 200))}`)
  }
}

function segmentOf(name: string, value: string | undefined): string {
  if (value !== undefined && /^[A-Za-z0-9._-]{1,200}$/.test(value) && value !== '.' && value !== '..') return value
  throw new MayflyError('ATTESTATION_REFUSED', `the path of this agent wants its ${name}, which ${value === undefined || value === '' ? 'is missing' : 'has other characters than a path may have'}`)
}
