import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SshHost {
  readonly hostKey: string
  readonly hostCertificate: string
}

/** Files of an authority of SSH hosts; the public key's line. */
export function sshAuthority(folder: string, name: string, ...type: readonly string[]): string {
  const path = join(folder, name)
  if (!existsSync(path)) execFileSync('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', path, ...(type.length > 0 ? type : ['-t', 'ed25519'])])
  return readFileSync(`${path}.pub`, 'utf8').trim()
}

/** A host key and its certificate as ssh-keygen makes them. @param options further ones of `ssh-keygen -s`; `-h` (a host's) is among them unless told otherwise */
export function sshHost(folder: string, authority: string, name: string, keyOptions: readonly string[] = ['-t', 'ed25519'], options: readonly string[] = ['-h', '-n', `${name}.example.org`]): SshHost {
  const hostKey = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', hostKey, ...keyOptions])
  execFileSync('ssh-keygen', ['-q', '-s', join(folder, authority), '-I', name, ...options, `${hostKey}.pub`])
  return { hostKey, hostCertificate: `${hostKey}-cert.pub` }
}
