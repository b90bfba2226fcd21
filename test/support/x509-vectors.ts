import { readFileSync } from 'node:fs'

export interface Vector {
  readonly name: string
  readonly accepted: boolean
  readonly der: Uint8Array
}

/** The cases of `test/vectors/x509/<file>.txt`, one a line. */
export function x509Vectors(file: 'certificates' | 'requests'): readonly Vector[] {
  const text = readFileSync(new URL(`../vectors/x509/${file}.txt`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name = '', verdict, base64 = ''] = line.split(' | ')
      return { name, accepted: verdict === 'accepted', der: new Uint8Array(Buffer.from(base64, 'base64')) }
    })
}
