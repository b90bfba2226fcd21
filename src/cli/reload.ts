import type { RpcChannel } from '../rpc/channel.ts'
import type { Context } from './context.ts'

/** Has a running server or agent read its configuration again, and says what came of it. */
export async function reload(who: 'server' | 'agent', channel: RpcChannel, json: boolean, { output, signal }: Context): Promise<void> {
  const { applied, waiting } = await channel.unary('mayfly.v1.Settings', 'Reload', {}, { signal })
  if (json) {
    output.json({ applied, waiting })
    return
  }
  output.line(applied.length === 0 ? `nothing that the ${who} can change while it runs has changed` : `in force: ${applied.join(', ')}`)
  if (waiting.length > 0) output.line(`waits for a restart: ${waiting.join(', ')}`)
}
