import { nonceBytes } from '../../src/attest/nonces.ts'
import { answerSshpop, formatSshpopPayload, parseSshpopChallenge } from '../../src/attest/sshpop.ts'
import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Random } from '../../src/ports/random.ts'
import { parseSshCertificate, readCertificateLine } from '../../src/ssh/certificate.ts'
import { parseSshPrivateKey } from '../../src/ssh/private-key.ts'
import { SshFormatError } from '../../src/ssh/reader.ts'
import type { SshpopConfig } from './config.ts'
import type { NodeAttestor } from './node-attestor.ts'

export interface SshpopDeps {
  readonly random: Random
  readonly readFile: (path: string) => Promise<string>
}

/** Proves the SSH host key of this machine, for which it has a host certificate. The files are read for each attempt: they may have been renewed. */
export function sshpop({ hostKey, hostCertificate }: SshpopConfig, { random, readFile }: SshpopDeps): NodeAttestor {
  return {
    type: 'sshpop',
    again: true,
    async *attest() {
      const key = await parsed('hostKey', hostKey, readFile, parseSshPrivateKey)
      const certificate = await parsed('hostCertificate', hostCertificate, readFile, (text) => parseSshCertificate(readCertificateLine(text)))
      if (!equalBytes(certificate.key.blob, key.publicKey.blob)) throw problem('hostCertificate', `${hostCertificate} is not of the key in ${hostKey}`)
      const challenge = yield formatSshpopPayload(certificate.blob)
      yield answerSshpop(key, parseSshpopChallenge(challenge), random.bytes(nonceBytes))
    },
  }
}

async function parsed<T>(setting: string, path: string, readFile: (path: string) => Promise<string>, parse: (text: string) => T): Promise<T> {
  const text = await readFile(path)
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof SshFormatError) throw problem(setting, `${path}: ${error.message}`)
    throw error
  }
}

function problem(setting: string, why: string): MayflyError {
  return new MayflyError('CONFIG_INVALID', `nodeAttestor.sshpop.${setting}: ${why}`)
}
