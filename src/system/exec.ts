import process from 'node:process'
import { MayflyError } from '../core/errors.ts'

/** Becomes another program under the same pid, as a service manager wants it: the sockets that it handed to this pid go along. Does not return. @throws {MayflyError} PLATFORM_UNSUPPORTED */
export async function becomeProgram(file: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<never> {
  const count = Number(env['LISTEN_FDS'] ?? 0)
  if (count > 0) {
    const { libc } = await import('./linux/libc.ts')
    for (let fd = 3; fd < 3 + count; fd++) libc().fcntl(fd, setDescriptorFlags, 0) // Node closes what it inherited when it becomes another
  }
  const given = Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined))
  if (process.execve === undefined) throw new MayflyError('PLATFORM_UNSUPPORTED', 'this Node cannot become another program')
  return process.execve(file, [file, ...args], given)
}

const setDescriptorFlags = 2
