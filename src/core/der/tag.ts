/** The identifier octets that X.509 uses; all have low tag numbers, so one octet each. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** `[n]` around a whole value, or `[n] IMPLICIT` of a constructed one. */
export function constructedContextTag(number: number): number {
  return 0xa0 | number
}

/** `[n] IMPLICIT` of a primitive value. */
export function primitiveContextTag(number: number): number {
  return 0x80 | number
}
