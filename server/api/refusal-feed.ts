import type { ReportAnswer } from '../../proto/generated/mayfly/v1/ReportAnswer.ts'
import type { ServerMessage } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { VerifierRegistry } from '../verifiers/registry.ts'
import { Wakeup } from './wakeup.ts'

/** Beyond so many the others are not told: they are when they register again. */
const maxWaiting = 1_000

/** Tells an agent which registrations of verifiers that it brought were refused, and why. */
export async function* refusals(agentId: SpiffeId, signal: AbortSignal, verifiers: Pick<VerifierRegistry, 'onRefused'>): AsyncGenerator<ServerMessage> {
  const wakeup = new Wakeup()
  let waiting: ReportAnswer[] = []
  using _ = verifiers.onRefused(agentId, ({ instance, refused }) => {
    if (waiting.length < maxWaiting) waiting.push({ instance: Buffer.from(instance), refused })
    wakeup.wake()
  })
  while (!signal.aborted) {
    await wakeup.wait(signal)
    const refused = waiting
    waiting = []
    if (refused.length > 0) yield { verifiersRefused: { refusals: refused } }
  }
}
