const label = '[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?'
const form = new RegExp(`^(\\*\\.)?${label}(\\.${label})*$`)

/** A DNS name as entries and certificates may have it: at most 253 characters, labels of at most 63; the first may be `*`. The underscore is taken, as SPIRE takes it. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && form.test(name)
}
