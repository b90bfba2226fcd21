import { MayflyError } from '../core/errors.ts'

export interface StopSignal extends Disposable {
  /** Aborted by the first SIGINT or SIGTERM, with SHUTTING_DOWN as its reason. */
  readonly signal: AbortSignal
}

/** Turns the first SIGINT or SIGTERM into an abort; a second one then ends the process at once, as it would without this. Dispose to let go. */
export function stopOnSignals(): StopSignal {
  const controller = new AbortController()
  const release = (): void => {
    for (const name of names) process.off(name, stop)
  }
  const stop = (name: NodeJS.Signals): void => {
    release()
    controller.abort(new MayflyError('SHUTTING_DOWN', `stopped by ${name}`, { details: { signal: name } }))
  }
  for (const name of names) process.on(name, stop)
  return { signal: controller.signal, [Symbol.dispose]: release }
}

const names = ['SIGINT', 'SIGTERM'] as const
