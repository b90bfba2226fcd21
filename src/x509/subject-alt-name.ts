import { DerReader } from '../core/der/reader.ts'
import { constructedContextTag, primitiveContextTag } from '../core/der/tag.ts'
import { MayflyError } from '../core/errors.ts'

/** A subjectAltName, in the order of the certificate within each list. The texts are ASCII and otherwise as found: nothing is parsed or compared here. */
export interface SubjectAltName {
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  /** `192.0.2.1`, or eight groups of hexadecimal digits. */
  readonly ips: readonly string[]
  readonly emails: readonly string[]
  /** How many names of other kinds there are. */
  readonly others: number
  readonly critical: boolean
}

/** Tags of GeneralName, RFC 5280 4.2.1.6: [1], [2], [6], [7] IMPLICIT. */
export const generalNameTag = {
  email: 0x81,
  dns: 0x82,
  uri: 0x86,
  ip: 0x87,
} as const

const otherTags = new Set([constructedContextTag(0), constructedContextTag(3), constructedContextTag(4), constructedContextTag(5), primitiveContextTag(8)])

/** @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID */
export function readSubjectAltName(value: Uint8Array, critical: boolean): SubjectAltName {
  const uris: string[] = []
  const dns: string[] = []
  const ips: string[] = []
  const emails: string[] = []
  let others = 0
  const names = DerReader.inside(value)
  if (names.done) invalid('it is empty')
  while (!names.done) {
    const kind = names.peek() ?? 0
    if (kind === generalNameTag.uri) uris.push(asciiText(names.read(kind)))
    else if (kind === generalNameTag.dns) dns.push(asciiText(names.read(kind)))
    else if (kind === generalNameTag.email) emails.push(asciiText(names.read(kind)))
    else if (kind === generalNameTag.ip) ips.push(ipText(names.read(kind)))
    else if (otherTags.has(kind)) {
      names.readWhole()
      others++
    } else invalid('it has a name of no known kind')
  }
  return { uris, dns, ips, emails, others, critical }
}

function asciiText(content: Uint8Array): string {
  if (content.length === 0) invalid('it has an empty name')
  let text = ''
  for (const octet of content) {
    if (octet < 0x20 || octet > 0x7e) invalid('a name has a character outside printable ASCII')
    text += String.fromCharCode(octet)
  }
  return text
}

function ipText(content: Uint8Array): string {
  if (content.length === 4) return content.join('.')
  if (content.length !== 16) return invalid('an IP address has neither 4 nor 16 octets')
  return Array.from({ length: 8 }, (_, group) => ((content[group * 2] ?? 0) * 256 + (content[group * 2 + 1] ?? 0)).toString(16)).join(':')
}

function invalid(why: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not a subject alternative name: ${why}`)
}
