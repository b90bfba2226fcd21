import { execFile, execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A key as a person has it, and what the person does with it. */
export interface PersonKey {
  /** A line for authorized_keys. */
  readonly line: string
  readonly path: string
  /** Armoured. */
  sign(message: string, namespace: string): Promise<string>
}

export async function personKey(folder: string, name: string, ...options: readonly string[]): Promise<PersonKey> {
  const path = join(folder, name)
  await run('ssh-keygen', ['-q', '-N', '', '-C', `${name}@example.org`, '-f', path, ...(options.length > 0 ? options : ['-t', 'ed25519'])])
  return {
    line: (await readFile(`${path}.pub`, 'utf8')).trim(),
    path,
    // without a file it signs what it reads, and never asks whether to overwrite one
    sign: async (message, namespace) => execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', path, '-n', namespace], { input: message, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }),
  }
}
