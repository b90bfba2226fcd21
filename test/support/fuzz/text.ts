import fc from 'fast-check'

/** Texts made of real ones with pieces taken out, put in, doubled and moved; and of pieces alone. */
export function textEdits(originals: readonly string[], marks: readonly string[]): fc.Arbitrary<string> {
  const put = fc.oneof(fc.constantFrom(...marks), fc.string({ maxLength: 6 }), fc.string({ maxLength: 3, unit: 'binary' }))
  const edit = fc.record({ at: fc.nat(5_000), drop: fc.oneof(fc.nat(3), fc.nat(60)), put, twice: fc.boolean() })
  const edited = fc.tuple(fc.constantFrom(...originals), fc.array(edit, { maxLength: 5 })).map(([text, edits]) =>
    edits.reduce((so, { at, drop, put: piece, twice }) => {
      const place = at % (so.length + 1)
      const taken = so.slice(place, place + drop)
      return so.slice(0, place) + piece + (twice ? taken + taken : '') + so.slice(place + drop)
    }, text),
  )
  const pieces = fc.array(put, { maxLength: 30 }).map((parts) => parts.join(''))
  return fc.oneof({ arbitrary: edited, weight: 4 }, pieces)
}
