import { MayflyError } from '../core/errors.ts'
import type { ServiceManager } from './service-manager.ts'

export interface StopSignal extends Disposable {
  /** Aborted by the first SIGINT or SIGTERM, or by the end of standard input when that is watched, with SHUTTING_DOWN as its reason. */
  readonly signal: AbortSignal
}

/**
 * Turns the first SIGINT or SIGTERM into an abort; one that comes a second later or more ends the process at once, as it would without this: the same Ctrl-C may
 * arrive twice, from the terminal and through npm. Dispose to let go.
 * @param whileStdin also when standard input ends, which it does when whoever started this process is gone, however it went
 */
export function stopOnSignals({ whileStdin = false }: { readonly whileStdin?: boolean } = {}): StopSignal {
  const controller = new AbortController()
  const release = (): void => {
    for (const name of names) process.off(name, stop)
    if (whileStdin) process.stdin.off('end', stopAtEnd).off('error', stopAtEnd).destroy()
  }
  let stoppedMs: number | undefined
  const end = (name: string): void => {
    stoppedMs ??= performance.now()
    controller.abort(new MayflyError('SHUTTING_DOWN', `stopped by ${name}`, { details: { signal: name } }))
  }
  const stop = (name: NodeJS.Signals): void => {
    if (stoppedMs === undefined) end(name)
    else if (performance.now() - stoppedMs >= sameSignalMs) {
      release()
      process.kill(process.pid, name)
    }
  }
  const stopAtEnd = (): void => {
    release()
    end('the end of standard input')
  }
  for (const name of names) process.on(name, stop)
  if (whileStdin && (process.stdin.readableEnded || process.stdin.destroyed)) stopAtEnd() // while something was read from it
  else if (whileStdin) process.stdin.on('end', stopAtEnd).on('error', stopAtEnd).resume()
  return { signal: controller.signal, [Symbol.dispose]: release }
}

/** Has the configuration read again at each SIGHUP, which then no longer ends the process; what `reload` throws was told by it. Dispose to let go. @param manager is told that it goes on, and that it is done */
export function onHangUp(reload: () => unknown, manager: Pick<ServiceManager, 'reloading' | 'ready'> | undefined): Disposable {
  const heard = (): void => {
    manager?.reloading()
    try {
      reload()
    } catch {
      return // told already: a signal has nobody to answer
    } finally {
      manager?.ready('serving')
    }
  }
  process.on('SIGHUP', heard)
  return { [Symbol.dispose]: () => void process.off('SIGHUP', heard) }
}

const names = ['SIGINT', 'SIGTERM'] as const
const sameSignalMs = 1_000
