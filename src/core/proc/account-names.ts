import { parseDecimal } from './stat.ts'

/**
 * Names by id from the text of passwd(5) or group(5): `name:password:id:…`. The first line of an id counts, as it does for
 * the C library. Lines that are anything else (comments, NIS marks) are skipped.
 */
export function parseAccountNames(text: string): Map<number, string> {
  const names = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name = '', , number = ''] = line.split(':', 3)
    const id = parseDecimal(number)
    if (id === undefined || id > 0xffff_ffff || names.has(id) || !isName(name)) continue
    names.set(id, name)
  }
  return names
}

function isName(name: string): boolean {
  return name !== '' && name.length <= 256 && !/^[#+-]/.test(name) && !/[\s\p{C}]/u.test(name)
}
