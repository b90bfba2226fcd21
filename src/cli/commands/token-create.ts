import { agentNameOf, formatJoinLine, isAddress, listensAnywhere } from '../../core/join-line.ts'
import { parseTrustDomain, spiffeIdOf } from '../../core/spiffe-id.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { ttlSeconds } from '../entries.ts'
import { idToWire, typedId } from '../ids.ts'
import { sha256 } from '../../x509/fingerprint.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  about: 'Makes a token and prints the line that lets one agent join with it: server address, token and what the bundle is pinned to.\nThe line is a secret until it is used, once.',
  options: {
    ttl: { type: 'string', value: '10m', help: 'how long the token may wait; 10m when unset' },
    id: { type: 'string', value: 'ID', help: 'a SPIFFE ID by which entries may address the agent' },
    address: { type: 'string', value: 'HOST:PORT', help: 'how the agent reaches the server; what the server says of itself when unset' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly token create', 'mayfly token create --ttl 1h --address mayfly.internal:8081', 'ssh node7 mayfly agent run --join "$(mayfly token create)"'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    if (options.address !== undefined && !isAddress(options.address)) throw usage('token create', `${JSON.stringify(options.address)} is not host:port`)
    using server = await connectServer(options, context)
    const { agentAddress, trustDomain, bundleDigest } = await server.unary('mayfly.v1.Status', 'Get', {}, { signal })
    const aliasId = options.id === undefined ? undefined : await typedId(options.id, server, signal)
    const made = await server.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: ttlSeconds(options.ttl ?? '10m'), ...(aliasId === undefined ? {} : { agentId: idToWire(aliasId) }) }, { signal })
    const agentId = spiffeIdOf(parseTrustDomain(trustDomain), `/spire/agent/join_token/${agentNameOf(made.value, sha256)}`)
    const address = options.address ?? agentAddress
    const joinLine = formatJoinLine({ address, token: made.value, trustDomain: parseTrustDomain(trustDomain), bundleDigest })
    if (options.json) {
      output.json({ joinLine, agentId, address, trustDomain, bundleDigest, expiresAt: new Date(made.expiresAt * 1_000).toISOString(), ...(aliasId === undefined ? {} : { aliasId }) })
      return
    }
    output.line(joinLine)
    if (listensAnywhere(address)) output.note(`on another machine ${address} leads nowhere: set advertise in the server's configuration, or --address`)
    output.note(`joins ${agentId}`)
    output.note(`expires ${whenText(made.expiresAt * 1_000, clock.nowMs())}; on the node: mayfly agent run --join-file FILE, the line in a file of mode 0600`)
  },
})
