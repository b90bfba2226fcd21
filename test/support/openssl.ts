import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'

/** What `openssl verify` says of a chain (leaf first, DER), with `lists` asking for a list of each authority: `OK`, or its complaint. */
export function verifyChain(folder: string, roots: readonly Uint8Array[], chain: readonly Uint8Array[], lists?: string): string {
  const write = (name: string, certificates: readonly Uint8Array[]): string => {
    writeFileSync(join(folder, name), encodeCertificatesPem(certificates))
    return join(folder, name)
  }
  const [leaf, ...rest] = chain
  const asked = lists === undefined ? [] : ['-crl_check_all', '-CRLfile', lists]
  const between = rest.length === 0 ? [] : ['-untrusted', write('between.pem', rest)]
  const { stdout, stderr } = spawnSync('openssl', ['verify', ...asked, '-CAfile', write('roots.pem', roots), ...between, write('leaf.pem', leaf === undefined ? [] : [leaf])], { encoding: 'utf8' })
  return stdout.includes(': OK') ? 'OK' : stderr
}
