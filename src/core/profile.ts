import { parseDurationMs } from './duration.ts'
import { MayflyError } from './errors.ts'

/** What a certificate under this profile is: an X.509-SVID, an authority, that of a server further down, or the key that signs the revocation stream. */
export type ProfileKind = 'svid' | 'authority' | 'downstream-authority' | 'stream-signer'
export type ProfileKeyKind = 'P-256' | 'P-384' | 'RSA' | 'Ed25519'
export type ProfileKeyUsage = 'digitalSignature' | 'keyEncipherment' | 'keyAgreement' | 'keyCertSign' | 'cRLSign'
export type ProfileExtKeyUsage = 'serverAuth' | 'clientAuth' | 'revocationStreamSigning'

/** What the CA may sign, reviewed as code (certs/profiles). Frozen; made by {@link parseProfile} alone. */
export interface CertificateProfile {
  readonly name: string
  readonly kind: ProfileKind
  readonly defaultTtlMs: number
  readonly maxTtlMs: number
  /** How far notBefore lies before the moment of issue. */
  readonly backdateMs: number
  /** Kinds of subject keys that are signed. */
  readonly keys: readonly ProfileKeyKind[]
  /** Both unset: the subject is empty and the subjectAltName critical. */
  readonly subject: { readonly organization: string | undefined; readonly commonName: string | undefined }
  /** Most DNS names beside the SPIFFE ID; 0: none are signed. */
  readonly maxDnsNames: number
  /** Whether it is of a grant: its ID is a grant's, and its claims name it. */
  readonly grant: boolean
  /** Of a downstream authority: how many authorities may follow below it. 0 for all others, which say nothing of it. */
  readonly pathLength: number
  readonly keyUsage: readonly ProfileKeyUsage[]
  readonly extKeyUsage: readonly ProfileExtKeyUsage[]
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const kinds: readonly ProfileKind[] = ['svid', 'authority', 'downstream-authority', 'stream-signer']
const keyKinds: readonly ProfileKeyKind[] = ['P-256', 'P-384', 'RSA', 'Ed25519']
const keyUsages: readonly ProfileKeyUsage[] = ['digitalSignature', 'keyEncipherment', 'keyAgreement', 'keyCertSign', 'cRLSign']
const extKeyUsages: readonly ProfileExtKeyUsage[] = ['serverAuth', 'clientAuth', 'revocationStreamSigning']

/**
 * Checks a raw profile (parsed JSON) and freezes it. Unknown keys are refused, and what the SPIFFE standard demands of such a certificate holds
 * afterwards (X509-05..09). Every problem is reported at once, each with its path. @throws {MayflyError} PROFILE_INVALID
 */
export function parseProfile(raw: unknown): CertificateProfile {
  const problems: string[] = []
  const top = new Raw(raw, '', problems, ['$schema', 'name', 'kind', 'ttl', 'backdate', 'why', 'keys', 'subject', 'dnsNames', 'grant', 'pathLength', 'keyUsage', 'extKeyUsage'])
  const ttl = top.object('ttl', ['default', 'max'])
  const subject = top.has('subject') ? top.object('subject', ['organization', 'commonName']) : undefined
  const profile: CertificateProfile = {
    name: top.text('name', /^[a-z0-9-]{1,40}$/),
    kind: top.oneOf('kind', kinds),
    defaultTtlMs: ttl.duration('default'),
    maxTtlMs: ttl.duration('max'),
    backdateMs: top.duration('backdate'),
    keys: top.someOf('keys', keyKinds),
    subject: Object.freeze({ organization: subject?.optionalText('organization'), commonName: subject?.optionalText('commonName') }),
    maxDnsNames: top.has('dnsNames') ? top.count('dnsNames', 100) : 0,
    grant: top.has('grant') && top.flag('grant'),
    pathLength: top.has('pathLength') ? top.count('pathLength', 6) : 0,
    keyUsage: top.someOf('keyUsage', keyUsages),
    extKeyUsage: top.has('extKeyUsage') ? top.someOf('extKeyUsage', extKeyUsages) : [],
  }
  if (problems.length === 0) problems.push(...problemsOf(profile, top.optionalText('why')))
  if (problems.length > 0) {
    const name = profile.name === '' ? 'a certificate profile' : `profile ${profile.name}`
    throw new MayflyError('PROFILE_INVALID', `${name}: ${problems.join('; ')}`, { details: { problems: problems.length } })
  }
  return Object.freeze(profile)
}

function problemsOf(profile: CertificateProfile, why: string | undefined): string[] {
  const problems: string[] = []
  const must = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem)
  }
  const signs = profile.keyUsage.includes('keyCertSign') || profile.keyUsage.includes('cRLSign')
  must(profile.defaultTtlMs >= 1_000 && profile.defaultTtlMs <= profile.maxTtlMs, '/ttl/default: not between one second and /ttl/max')
  must(profile.backdateMs <= 300_000, '/backdate: over five minutes')
  must(profile.pathLength === 0 || profile.kind === 'downstream-authority', '/pathLength: only a downstream authority has one')
  switch (profile.kind) {
    case 'svid':
      must(profile.maxTtlMs <= hourMs || why !== undefined, '/ttl/max: over one hour, and /why does not say why')
      must(profile.keyUsage.includes('digitalSignature'), '/keyUsage: an SVID has digitalSignature (X509-08)')
      must(!signs, '/keyUsage: an SVID has neither keyCertSign nor cRLSign (X509-08)')
      must(profile.extKeyUsage.includes('serverAuth') && profile.extKeyUsage.includes('clientAuth'), '/extKeyUsage: an SVID has serverAuth and clientAuth (X509-09)')
      must(!profile.extKeyUsage.includes('revocationStreamSigning'), '/extKeyUsage: an SVID does not sign the revocation stream')
      must(!profile.keys.includes('Ed25519'), '/keys: an SVID has no Ed25519 key: its signing request could not be checked')
      break
    case 'authority':
      must(!profile.grant, '/grant: only an SVID is of a grant')
      must(profile.keyUsage.includes('keyCertSign'), '/keyUsage: an authority has keyCertSign (X509-07)')
      must(!profile.keyUsage.includes('digitalSignature'), '/keyUsage: an authority does not authenticate (X509-12)')
      must(profile.extKeyUsage.length === 0 && profile.maxDnsNames === 0, 'an authority has neither extKeyUsage nor DNS names')
      must(profile.subject.organization !== undefined || profile.subject.commonName !== undefined, '/subject: an authority has a name (RFC 5280 4.1.2.6)')
      must(!profile.keys.includes('Ed25519'), '/keys: an authority has no Ed25519 key: few verifiers take what it signs')
      break
    case 'downstream-authority':
      must(!profile.grant, '/grant: only an SVID is of a grant')
      must(profile.keyUsage.includes('keyCertSign') && !profile.keyUsage.includes('digitalSignature'), '/keyUsage: an authority has keyCertSign, and does not authenticate (X509-07, X509-12)')
      must(profile.extKeyUsage.toSorted().join(' ') === 'clientAuth serverAuth', '/extKeyUsage: serverAuth and clientAuth alone: what is below it signs no revocation stream and is no server of this trust domain')
      must(profile.maxDnsNames === 0, '/dnsNames: an authority has none')
      must(profile.subject.organization !== undefined || profile.subject.commonName !== undefined, '/subject: an authority has a name (RFC 5280 4.1.2.6)')
      must(!profile.keys.includes('Ed25519'), '/keys: an authority has no Ed25519 key: its signing request could not be checked')
      break
    case 'stream-signer':
      must(!profile.grant, '/grant: only an SVID is of a grant')
      must(profile.maxTtlMs <= dayMs, '/ttl/max: over 24 hours')
      must(profile.keyUsage.length === 1 && profile.keyUsage[0] === 'digitalSignature', '/keyUsage: digitalSignature alone')
      must(profile.extKeyUsage.length === 1 && profile.extKeyUsage[0] === 'revocationStreamSigning', '/extKeyUsage: revocationStreamSigning alone')
      must(profile.keys.length === 1 && profile.keys[0] === 'Ed25519', '/keys: an Ed25519 key')
      must(profile.subject.commonName !== undefined && profile.maxDnsNames === 0, '/subject: a common name, and no DNS names')
      break
    default:
      profile.kind satisfies never
  }
  return problems
}

/** Takes one raw object apart; notes what is wrong and goes on with a value of the right type. */
class Raw {
  readonly #members: Readonly<Record<string, unknown>>
  readonly #path: string
  readonly #problems: string[]

  constructor(raw: unknown, path: string, problems: string[], known: readonly string[]) {
    const isObject = typeof raw === 'object' && raw !== null && !Array.isArray(raw)
    if (!isObject) problems.push(`${path === '' ? '/' : path}: not an object`)
    this.#members = isObject ? { ...raw } : {}
    this.#path = path
    this.#problems = problems
    for (const key of Object.keys(this.#members)) if (!known.includes(key)) problems.push(`${path}/${key.slice(0, 40)}: unknown`)
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#members, key)
  }

  object(key: string, known: readonly string[]): Raw {
    return new Raw(this.#members[key], `${this.#path}/${key}`, this.#problems, known)
  }

  text(key: string, pattern: RegExp): string {
    const value = this.#members[key]
    if (typeof value === 'string' && pattern.test(value)) return value
    return this.#problem(key, `not a text of ${pattern.source}`, '')
  }

  optionalText(key: string): string | undefined {
    return this.has(key) ? this.text(key, /^[\x20-\x7e]{1,200}$/) : undefined
  }

  duration(key: string): number {
    const value = this.#members[key]
    try {
      if (typeof value === 'string') return parseDurationMs(value)
    } catch {
      // noted below, with its path
    }
    return this.#problem(key, 'not a duration such as 15m', 0)
  }

  flag(key: string): boolean {
    const value = this.#members[key]
    return typeof value === 'boolean' ? value : this.#problem(key, 'neither true nor false', false)
  }

  count(key: string, most: number): number {
    const value = this.#members[key]
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value
    return this.#problem(key, `not a whole number up to ${most}`, 0)
  }

  oneOf<T extends string>(key: string, choices: readonly T[]): T {
    const value = this.#members[key]
    const [first] = choices
    const found = choices.find((choice) => choice === value)
    if (found !== undefined) return found
    if (first === undefined) throw new MayflyError('INTERNAL', 'no choices')
    return this.#problem(key, `none of ${choices.join(', ')}`, first)
  }

  someOf<T extends string>(key: string, choices: readonly T[]): readonly T[] {
    const value: unknown = this.#members[key]
    const found = Array.isArray(value) ? choices.filter((choice) => value.includes(choice)) : []
    if (Array.isArray(value) && found.length > 0 && found.length === value.length) return Object.freeze(found)
    return this.#problem(key, `not a list, each once, of ${choices.join(', ')}`, [])
  }

  #problem<T>(key: string, problem: string, instead: T): T {
    this.#problems.push(`${this.#path}/${key}: ${problem}`)
    return instead
  }
}
