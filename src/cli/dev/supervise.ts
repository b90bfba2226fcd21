import { formatDuration } from '../../core/duration.ts'
import type { Context } from '../context.ts'
import { describeError } from '../exit-code.ts'
import type { Installation } from './installation.ts'
import type { Service } from './service.ts'

const firstDelayMs = 200
const longestDelayMs = 5_000
/** Who has run so long is forgiven what was before. */
const settledMs = 10_000

/** Starts the server or the agent again whenever it ends unasked, waiting twice as long each time, until the signal aborts. */
export async function supervise(name: 'server' | 'agent', installation: Installation, { clock, output, signal }: Context): Promise<void> {
  let delayMs = firstDelayMs
  let sinceMs = clock.bootMs()
  while (!signal.aborted) {
    const current: Service = installation[name]
    const code = await Promise.race([current.exited, aborted(signal)])
    if (signal.aborted || current.stopping) return
    if (clock.bootMs() - sinceMs > settledMs) delayMs = firstDelayMs
    output.note(`mayfly: the ${name} ended with ${code}; starting it again in ${formatDuration(delayMs)}`)
    await clock.sleep(delayMs, signal).catch(() => undefined)
    if (signal.aborted) return
    delayMs = Math.min(delayMs * 2, longestDelayMs)
    sinceMs = clock.bootMs()
    try {
      await (name === 'server' ? installation.restartServer() : installation.startAgent())
      output.note(`mayfly: the ${name} serves again`)
    } catch (error) {
      output.note(describeError(error))
    }
  }
}

async function aborted(signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(0)
    else signal.addEventListener('abort', () => resolve(0), { once: true })
  })
}
