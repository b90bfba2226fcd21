import type { RpcChannel } from '../rpc/channel.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-code.ts'

/** Has a running server or agent read its configuration again, and says what came of it. Resolves with the exit code: 1 when files that it names cannot be used. */
export async function reload(who: 'server' | 'agent', channel: RpcChannel, json: boolean, { output, signal }: Context): Promise<number> {
  const { applied, waiting, problems } = await channel.unary('mayfly.v1.Settings', 'Reload', {}, { signal })
  if (json) {
    output.json({ applied, waiting, problems })
    return problems.length === 0 ? exitCodes.ok : exitCodes.failed
  }
  output.line(applied.length === 0 ? `nothing that the ${who} can change while it runs has changed` : `in force: ${applied.join(', ')}`)
  if (waiting.length > 0) output.line(`waits for a restart: ${waiting.join(', ')}`)
  for (const problem of problems) output.note(`mayfly: ${problem}; what was read before stays`)
  return problems.length === 0 ? exitCodes.ok : exitCodes.failed
}
