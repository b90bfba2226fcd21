import { derOid } from '../core/der/oid.ts'
import { equalBytes } from '../core/bytes.ts'
import { DerReader } from '../core/der/reader.ts'
import { tag } from '../core/der/tag.ts'
import { derSequence, derSet, derValue } from '../core/der/writer.ts'
import { MayflyError } from '../core/errors.ts'
import { oid } from './oids.ts'

/** The Name without any attribute, `30 00`. */
export const emptyName: Uint8Array = derSequence()

/** A Name of organization and common name, UTF8String each, in that order; either may be left out. */
export function derName(parts: { readonly organization?: string; readonly commonName?: string }): Uint8Array {
  return derSequence(
    ...(parts.organization === undefined ? [] : [derAttribute(oid.organizationName, parts.organization)]),
    ...(parts.commonName === undefined ? [] : [derAttribute(oid.commonName, parts.commonName)]),
  )
}

function derAttribute(type: string, value: string): Uint8Array {
  return derSet(derSequence(derOid(type), derValue(tag.utf8String, new TextEncoder().encode(value))))
}

/** Reads a Name whole, checking its shape and not its meaning. Names compare by these bytes. @throws {MayflyError} DER_INVALID, CERTIFICATE_INVALID */
export function readName(reader: DerReader): Uint8Array {
  const start = reader.mark()
  const name = reader.enter(tag.sequence)
  while (!name.done) {
    const set = name.enter(tag.set)
    if (set.done) throw new MayflyError('CERTIFICATE_INVALID', 'a name has an empty part')
    while (!set.done) {
      const attribute = set.enter(tag.sequence)
      attribute.read(tag.oid)
      attribute.readWhole()
      attribute.finish()
    }
  }
  return reader.since(start)
}

/** The common name of a Name that {@link readName} took: the last one, as UTF-8, printable or IA5 text; `undefined` without any, or of another type. */
export function commonNameOf(name: Uint8Array): string | undefined {
  let found: string | undefined
  const parts = DerReader.inside(name)
  while (!parts.done) {
    const set = parts.enter(tag.set)
    while (!set.done) {
      const attribute = set.enter(tag.sequence)
      const isCommonName = equalBytes(attribute.readWhole(tag.oid), commonNameOid)
      const type = attribute.peek()
      const value = attribute.read(type ?? tag.utf8String)
      if (isCommonName) found = textTags.has(type ?? 0) ? textOf(value) : undefined
      attribute.finish()
    }
  }
  return found
}

const commonNameOid = derOid(oid.commonName)
/** UTF8String, PrintableString, IA5String. */
const textTags: ReadonlySet<number> = new Set([tag.utf8String, 0x13, 0x16])

function textOf(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(value)
  } catch {
    return undefined
  }
}

/** Whether a Name has no attribute at all. */
export function isEmptyName(name: Uint8Array): boolean {
  return name.length === 2
}
