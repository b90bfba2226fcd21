import { createSecureContext, type SecureContext } from 'node:tls'

import { parseJoinLine } from '../../../src/core/join-line.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'

/** An agent's protocol without an agent: attests with a join line and calls the server with the SVID it got, as a foreign or hostile agent would. */
export class AgentClient implements Disposable {
  readonly channel: RpcChannel
  /** Of its server. */
  readonly address: string
  readonly id: string
  readonly key: PrivateKey
  readonly chain: readonly Uint8Array[]

  private constructor(channel: RpcChannel, address: string, id: string, key: PrivateKey, chain: readonly Uint8Array[]) {
    this.channel = channel
    this.address = address
    this.id = id
    this.key = key
    this.chain = chain
  }

  static async join(line: string): Promise<AgentClient> {
    const { address, token } = parseJoinLine(line)
    const key = PrivateKey.generate()
    const { chain, id } = await attest(address, token, key)
    return AgentClient.withSvid(address, id, key, chain)
  }

  static withSvid(address: string, id: string, key: PrivateKey, chain: readonly Uint8Array[]): AgentClient {
    const context = createSecureContext({ key: key.toPem(), cert: encodeCertificatesPem(chain) })
    return new AgentClient(channelTo(address, context), address, id, key, chain)
  }

  [Symbol.dispose](): void {
    this.channel.close()
  }
}

/** A channel that trusts any server: for tests that look at what the server does, not at whom it is. */
export function channelTo(address: string, context: SecureContext = createSecureContext()): RpcChannel {
  return RpcChannel.connectTls({ clock: systemClock, address, context: () => context, verifyPeer: () => undefined, maxReceiveBytes: 64 * 1024 * 1024 })
}

/** One AttestAgent conversation by join token. */
export async function attest(address: string, token: string, key: PrivateKey, timeoutMs = 60_000): Promise<{ readonly chain: readonly Uint8Array[]; readonly id: string }> {
  const channel = channelTo(address)
  try {
    const request = { params: { data: { type: 'join_token', payload: Buffer.from(token) }, params: { csr: buildCsr(key) } } }
    for await (const response of channel.bidi('spire.api.server.agent.v1.Agent', 'AttestAgent', once(request), { timeoutMs })) {
      const svid = response.result?.svid
      if (svid !== undefined && svid !== null) return { chain: svid.certChain.map((der) => new Uint8Array(der)), id: `spiffe://${svid.id?.trustDomain ?? ''}${svid.id?.path ?? ''}` }
    }
    throw new Error('the server ended the conversation without an SVID')
  } finally {
    channel.close()
  }
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value
}
