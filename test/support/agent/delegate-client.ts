/**
 * A delegate as a process of its own, on the admin socket it is told: asks for the agent's status, then follows the identities of
 * k8s:ns:shop k8s:sa:web, and prints a line of JSON for each answer. Argument: socket.
 */
import { MayflyError } from '../../../src/core/errors.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'

const [socket = ''] = process.argv.slice(2)
const channel = RpcChannel.connectUnix(socket, { clock: systemClock })
try {
  await channel.unary('mayfly.v1.AgentAdmin', 'Status', {})
  print({ event: 'admin', status: 'OK' })
} catch (error) {
  print({ event: 'admin', status: error instanceof MayflyError ? error.status : String(error) })
}
const selectors = [{ type: 'k8s', value: 'ns:shop' }, { type: 'k8s', value: 'sa:web' }]
for await (const { x509Svids } of channel.serverStream('spire.api.agent.delegatedidentity.v1.DelegatedIdentity', 'SubscribeToX509SVIDs', { selectors })) {
  print({ event: 'svids', ids: x509Svids.map(({ x509Svid }) => `spiffe://${x509Svid?.id?.trustDomain ?? ''}${x509Svid?.id?.path ?? ''}`) })
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
