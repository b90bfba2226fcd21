import process from 'node:process'
import { MayflyError } from '../core/errors.ts'

/**
 * Becomes another program under the same pid: the sockets that a service manager handed to this pid go along. Does not return. A signal that comes meanwhile ends this
 * process or reaches the other program. @param signal aborted when this process was to stop before; its reason is thrown. @throws {MayflyError} PLATFORM_UNSUPPORTED
 */
export async function becomeProgram(file: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>, signal: AbortSignal): Promise<never> {
  const count = Number(env['LISTEN_FDS'] ?? 0)
  if (count > 0) {
    const { libc } = await import('./linux/libc.ts')
    for (let fd = 3; fd < 3 + count; fd++) libc().fcntl(fd, setDescriptorFlags, 0) // Node closes what it inherited when it becomes another
  }
  const given = Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined))
  if (process.execve === undefined) throw new MayflyError('PLATFORM_UNSUPPORTED', 'this Node cannot become another program')
  signal.throwIfAborted()
  for (const name of handled) process.removeAllListeners(name) // what they would be told would be lost with this program
  return process.execve(file, [file, ...args], given)
}

const setDescriptorFlags = 2
const handled = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
