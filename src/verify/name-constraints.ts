import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, tag } from '../core/der/tag.ts'
import type { SubjectAltName } from '../x509/subject-alt-name.ts'

const uriTag = 0x86
const dnsTag = 0x82
const permittedTag = constructedContextTag(0)
const excludedTag = constructedContextTag(1)

interface Subtree {
  readonly kind: 'uri' | 'dns'
  readonly base: string
}

/**
 * Why the names fall outside an authority's name constraints (RFC 5280 4.2.1.10), or `undefined` when they are inside. URI constraints
 * are over the host, which is the trust domain of a SPIFFE ID (X509-11); DNS ones over DNS names. A constraint of any other
 * form is refused rather than ignored. @throws {MayflyError} DER_INVALID
 */
export function violationOf(constraints: Uint8Array, names: SubjectAltName): string | undefined {
  const outer = DerReader.inside(constraints)
  const permitted = readSubtrees(outer, permittedTag)
  const excluded = readSubtrees(outer, excludedTag)
  outer.finish()
  if (permitted === undefined || excluded === undefined) return 'a name constraint of a form that is not supported'
  for (const [kind, values] of [['uri', names.uris.map(hostOf)], ['dns', names.dns]] as const) {
    const allowed = permitted.filter((subtree) => subtree.kind === kind)
    const denied = excluded.filter((subtree) => subtree.kind === kind)
    for (const value of values) {
      if (value === undefined) {
        if (allowed.length + denied.length > 0) return 'a URI without a host under a URI constraint'
      } else if (denied.some((subtree) => isInside(value, subtree))) return `${kind} name ${value} is excluded`
      else if (allowed.length > 0 && !allowed.some((subtree) => isInside(value, subtree))) return `${kind} name ${value} is not permitted`
    }
  }
  return undefined
}

/** `undefined` when one is of another form than URI or DNS, or sets minimum or maximum, which RFC 5280 does not use. */
function readSubtrees(outer: DerReader, wanted: number): readonly Subtree[] | undefined {
  const list = outer.enterIf(wanted)
  if (list === undefined) return []
  const subtrees: Subtree[] = []
  let supported = true
  while (!list.done) {
    const subtree = list.enter(tag.sequence)
    const form = subtree.peek() ?? 0
    const base = subtree.readWhole()
    if (!subtree.done || (form !== uriTag && form !== dnsTag)) supported = false
    else subtrees.push({ kind: form === uriTag ? 'uri' : 'dns', base: contentText(base, form) })
  }
  return supported ? subtrees : undefined
}

function contentText(value: Uint8Array, form: number): string {
  return String.fromCharCode(...DerReader.over(value).read(form)).toLowerCase()
}

/** A URI base is one host, or with a leading dot the hosts below it; a DNS base is a domain with all below it. */
function isInside(name: string, { kind, base }: Subtree): boolean {
  const lower = name.toLowerCase()
  if (kind === 'uri') return base.startsWith('.') ? lower.endsWith(base) && lower.length > base.length : lower === base
  return base === '' || lower === base || lower.endsWith(base.startsWith('.') ? base : `.${base}`)
}

function hostOf(uri: string): string | undefined {
  const [, host] = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:]+)(?::\d*)?(?:[/?#]|$)/.exec(uri) ?? []
  return host
}
