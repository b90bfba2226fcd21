import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { MayflyError } from '../core/errors.ts'
import type { Context } from './context.ts'

export const signingOptions = {
  as: { type: 'string', value: 'NAME', help: 'the registered person who signs; $USER otherwise' },
  key: { type: 'string', value: 'FILE', help: 'an SSH key: the private key, or the .pub of one that an ssh-agent holds; the first of ~/.ssh/id_* otherwise' },
  signature: { type: 'string', value: 'FILE', help: 'a signature that was made elsewhere, over the words that --print shows' },
  print: { type: 'boolean', help: 'print the words to sign, and do nothing' },
} as const

export interface SigningOptions {
  readonly as: string | undefined
  readonly key: string | undefined
}

const defaultKeys = ['id_ed25519', 'id_ed25519_sk', 'id_ecdsa', 'id_ecdsa_sk', 'id_rsa']

/** Who signs. @throws {MayflyError} USAGE */
export function signerOf(options: SigningOptions, { env }: Context): string {
  const name = options.as ?? env['USER'] ?? ''
  if (name === '') throw new MayflyError('USAGE', '--as is missing', { hint: 'mayfly person list shows who is registered' })
  return name
}

/** Has ssh-keygen sign the words, so that no private key passes through here: it asks for the passphrase, the touch or the agent itself. @throws {MayflyError} */
export async function sign(words: string, namespace: string, options: SigningOptions, { env, cwd, signal }: Context): Promise<string> {
  const key = options.key === undefined ? keyOf(env['HOME'] ?? homedir()) : resolve(cwd, options.key)
  const child = spawn('ssh-keygen', ['-q', '-Y', 'sign', '-f', key, '-n', namespace], { stdio: ['pipe', 'pipe', 'inherit'], signal })
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => parts.push(part))
  child.stdin.on('error', () => undefined) // it ended before it read all: its exit says why
  child.stdin.end(words)
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', (cause) => fail(new MayflyError('PLATFORM_UNSUPPORTED', 'ssh-keygen cannot be run', { cause, hint: 'install OpenSSH, or sign elsewhere: --print, then --signature' })))
    child.once('close', done)
  })
  if (code !== 0) throw new MayflyError('APPROVAL_INVALID', `ssh-keygen did not sign with ${key}`, { hint: 'give --key; with an ssh-agent, the .pub file' })
  return Buffer.concat(parts).toString('utf8')
}

function keyOf(home: string): string {
  const found = defaultKeys.map((name) => join(home, '.ssh', name)).find((path) => existsSync(path))
  if (found === undefined) throw new MayflyError('USAGE', 'there is no SSH key in ~/.ssh', { hint: 'give --key' })
  return found
}
