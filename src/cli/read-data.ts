import { MayflyError } from '../core/errors.ts'
import { readNamedFile } from './read-file.ts'

/** JSON or YAML, of a file or of stdin (`-`): YAML when the name says so or it does not begin as JSON does. @throws {MayflyError} NOT_FOUND, INVALID_ARGUMENT */
export async function readData(path: string, cwd: string, stdin: AsyncIterable<Uint8Array | string>): Promise<unknown> {
  const content = path === '-' ? await readAll(stdin) : await readNamedFile(path, cwd)
  try {
    if (!/\.ya?ml$/.test(path) && /^\s*[[{]/.test(content)) return JSON.parse(content)
    const { parse } = await import('yaml')
    return parse(content)
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : ''
    throw new MayflyError('INVALID_ARGUMENT', `${path}: ${why}`, { cause })
  }
}

/** All of it, as UTF-8. */
export async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8')
}
