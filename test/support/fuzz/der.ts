import fc from 'fast-check'
import { concatBytes } from '../../../src/core/bytes.ts'
import { derHeader } from '../../../src/core/der/writer.ts'

/** One change to an encoding: to its `at`-th element (counted from the front, modulo how many there are). */
export type DerEdit =
  | { readonly op: 'drop' | 'twice' | 'hollow'; readonly at: number }
  | { readonly op: 'swap' | 'copy'; readonly at: number; readonly other: number }
  | { readonly op: 'tag'; readonly at: number; readonly octet: number }
  | { readonly op: 'flip'; readonly at: number; readonly bit: number }
  | { readonly op: 'content'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly op: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  /** The length's octets, whatever the content is. */
  | { readonly op: 'length'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly op: 'wrap'; readonly at: number; readonly octet: number; readonly times: number }

/** Changes to the finished bytes, below the level of elements. */
export interface ByteEdit {
  readonly op: 'cut' | 'append' | 'set'
  readonly at: number
  readonly bytes: Uint8Array
}

interface Element {
  tag: number
  content: Uint8Array
  children: Element[] | undefined
  length: Uint8Array | undefined
}

const at = fc.nat(200)
const someBytes = fc.uint8Array({ maxLength: 24 })
const octet = fc.oneof(fc.constantFrom(0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x82, 0x86, 0xa0, 0xa1, 0xa3), fc.nat(255))
const values = [
  '', '0500', '020100', '0201ff', '0101ff', '010100', '010101', '020900ffffffffffffffff', '0603551d11', '0603551d13', '0603551d0f', '0603550403', '06082a8648ce3d030107', '06052b81040022',
  '300c0603551d130101ff04023000', '300f0603551d130101ff040530030101ff', '300e0603551d0f0101ff040403020780', '8618737069666665', '8619737069666665' /* spiffe… */, '861b7370696666653a2f2f6578616d706c652e6f72672f61646d696e',
  '820b6578616d706c652e6f7267', '170d3236303130313030303030305a', '180f39393939313233313233353935395a', '170d3439313233313233353935395a', '30820000', '3080', '3084ffffffff', '1f8101', '03020000', '0c01c3',
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
const lengths = ['80', '8100', '817f', '820001', '84ffffffff', '85ffffffffff', '8800000000ffffffff', 'ff', '00', '01', '7f', '830fffff'].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
const anyValue = fc.oneof(fc.constantFrom(...values), someBytes)

export const derEdits: fc.Arbitrary<readonly DerEdit[]> = fc.array(
  fc.oneof(
    fc.record({ op: fc.constantFrom('drop' as const, 'twice' as const, 'hollow' as const), at }),
    fc.record({ op: fc.constantFrom('swap' as const, 'copy' as const), at, other: at }),
    fc.record({ op: fc.constant('tag' as const), at, octet }),
    fc.record({ op: fc.constant('flip' as const), at, bit: fc.nat(4_000) }),
    fc.record({ op: fc.constant('content' as const), at, bytes: anyValue }),
    fc.record({ op: fc.constant('insert' as const), at, bytes: anyValue }),
    fc.record({ op: fc.constant('length' as const), at, bytes: fc.oneof(fc.constantFrom(...lengths), fc.uint8Array({ minLength: 1, maxLength: 5 })) }),
    fc.record({ op: fc.constant('wrap' as const), at, octet, times: fc.integer({ min: 1, max: 40 }) }),
  ),
  { minLength: 1, maxLength: 4 },
)

export const byteEdits: fc.Arbitrary<readonly ByteEdit[]> = fc.oneof(
  { arbitrary: fc.constant([]), weight: 4 },
  fc.array(fc.record({ op: fc.constantFrom('cut' as const, 'append' as const, 'set' as const), at: fc.nat(4_000), bytes: someBytes }), { minLength: 1, maxLength: 2 }),
)

/** @param der whole values; what cannot be taken apart stays as it is */
export function editDer(der: Uint8Array, edits: readonly DerEdit[]): Uint8Array {
  const roots = elementsOf(der) ?? []
  for (const edit of edits) apply(roots, edit)
  return concatBytes(...roots.map(write))
}

export function editBytes(bytes: Uint8Array, edits: readonly ByteEdit[]): Uint8Array {
  return edits.reduce((edited, { op, at: where, bytes: put }) => {
    const place = where % (edited.length + 1)
    if (op === 'cut') return edited.slice(0, place)
    if (op === 'append') return concatBytes(edited, put)
    return concatBytes(edited.slice(0, place), put, edited.slice(place + put.length))
  }, bytes)
}

/** The values that stand one after another inside the outermost one: of a certificate, its signed part, algorithm and signature. */
export function partsOf(der: Uint8Array): readonly Uint8Array[] {
  return elementsOf(der)?.[0]?.children?.map(write) ?? []
}

function apply(roots: Element[], edit: DerEdit): void {
  const places: { readonly siblings: Element[]; readonly index: number; readonly element: Element }[] = []
  const visit = (siblings: Element[]): void => {
    for (const [index, element] of siblings.entries()) {
      places.push({ siblings, index, element })
      if (element.children !== undefined) visit(element.children)
    }
  }
  visit(roots)
  const place = places[edit.at % Math.max(places.length, 1)]
  if (place === undefined) return
  const { siblings, index, element } = place
  switch (edit.op) {
    case 'drop':
      siblings.splice(index, 1)
      return
    case 'twice':
      siblings.splice(index, 0, copyOf(element))
      return
    case 'hollow':
      element.children = undefined
      element.content = new Uint8Array(0)
      return
    case 'swap':
    case 'copy': {
      const other = places[edit.other % places.length]
      if (other === undefined || isWithin(element, other.element) || isWithin(other.element, element)) return
      other.siblings[other.index] = copyOf(element)
      if (edit.op === 'swap') siblings[index] = other.element
      return
    }
    case 'tag':
      element.tag = edit.octet
      return
    case 'flip': {
      const content = element.children === undefined ? element.content.slice() : concatBytes(...element.children.map(write))
      const byte = (edit.bit >> 3) % Math.max(content.length, 1)
      if (content.length > 0) content[byte] = (content[byte] ?? 0) ^ (1 << (edit.bit & 7))
      element.children = undefined
      element.content = content
      return
    }
    case 'content':
      element.children = undefined
      element.content = edit.bytes
      return
    case 'insert':
      siblings.splice(index, 0, { tag: -1, content: edit.bytes, children: undefined, length: undefined })
      return
    case 'length':
      element.length = edit.bytes
      return
    case 'wrap':
      for (let time = 0; time < edit.times; time++) siblings[index] = { tag: edit.octet, content: new Uint8Array(0), children: [siblings[index] ?? element], length: undefined }
      return
    default:
      return edit satisfies never
  }
}

function isWithin(inner: Element, outer: Element): boolean {
  return inner === outer || (outer.children?.some((child) => isWithin(inner, child)) ?? false)
}

function copyOf(element: Element): Element {
  return { ...element, children: element.children?.map(copyOf) }
}

function write(element: Element): Uint8Array {
  const content = element.children === undefined ? element.content : concatBytes(...element.children.map(write))
  if (element.tag < 0) return content
  if (element.length !== undefined) return concatBytes(Uint8Array.of(element.tag), element.length, content)
  return concatBytes(derHeader(element.tag, content.length), content)
}

/** The elements that `bytes` is, one after another; `undefined` when it is not. Also looks into octet and bit strings, where extensions and keys are. */
function elementsOf(bytes: Uint8Array): Element[] | undefined {
  const elements: Element[] = []
  let where = 0
  while (where < bytes.length) {
    const tag = bytes[where++] ?? 0
    let length = bytes[where++] ?? Number.NaN
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count === 0 || count > 3) return undefined
      length = 0
      for (let octetAt = 0; octetAt < count; octetAt++) length = length * 256 + (bytes[where++] ?? 0)
    }
    if (Number.isNaN(length) || where + length > bytes.length) return undefined
    const content = bytes.subarray(where, where + length)
    where += length
    const children = (tag & 0x20) !== 0 || (tag === 0x04 && length > 1) ? elementsOf(content) : undefined
    elements.push({ tag, content, children, length: undefined })
  }
  return elements
}
