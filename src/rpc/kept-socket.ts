import { lstatSync } from 'node:fs'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'

/** The file of a socket is looked for this often. */
const lookMs = 5_000

/**
 * Sees to it that the file of a listening socket stays: whoever cleans a folder takes it away, and nobody can connect to the process any more, which notices
 * nothing. A file that is gone is made again by `listenAgain`; one that somebody else put in its place is left alone, and said. Ends with the signal.
 */
export async function keepSocket(path: string, listenAgain: () => Promise<void>, { clock, log }: KeepSocketDeps, signal: AbortSignal): Promise<void> {
  let ours = identityOf(path)
  let isSaid = false
  for (;;) {
    await clock.sleep(lookMs, signal).catch(() => undefined)
    if (signal.aborted) return
    const found = identityOf(path)
    if (found === ours) continue
    try {
      if (found !== undefined) throw new Error('another file is in its place')
      await listenAgain()
      ours = identityOf(path)
      isSaid = false
      log.warn({ event: 'socket.restored', path }, 'the file of the socket was removed, and is there again')
    } catch (error) {
      if (!isSaid) log.error({ event: 'socket.lost', path, error }, 'the file of the socket was removed: nobody can connect there until this process is started anew')
      isSaid = true
    }
  }
}

export interface KeepSocketDeps {
  readonly clock: Clock
  readonly log: Logger
}

function identityOf(path: string): string | undefined {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false, bigint: true })
    return found === undefined ? undefined : `${found.dev}/${found.ino}`
  } catch {
    return undefined // its folder is closed, or no folder any more
  }
}
