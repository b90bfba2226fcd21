import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import { MayflyError } from '../core/errors.ts'

/** Text of a file that was named as an argument. @throws {MayflyError} NOT_FOUND, by the name it was given */
export async function readNamedFile(name: string, cwd: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, name), 'utf8')
  } catch (cause) {
    throw new MayflyError('NOT_FOUND', `cannot read ${name}`, { cause, hint: reasons[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'is it a file, and yours to read?' }) // what node:fs throws has a code
  }
}

const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'this user may not read it', EISDIR: 'it is a folder' }
