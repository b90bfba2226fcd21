import { MayflyError } from '../../src/core/errors.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import type { MetadataInit } from '../../src/rpc/metadata.ts'
import type { SigningOutcome, SigningRequest } from '../rotation/signer.ts'
import { bufferOf } from './wire.ts'

/** One BatchNewX509SVID. @throws {MayflyError} what the call as a whole failed with */
export async function signedBy(channel: RpcChannel, requests: readonly SigningRequest[], signal: AbortSignal, metadata: MetadataInit = {}): Promise<readonly SigningOutcome[]> {
  const params = requests.map(({ entryId, csr }) => ({ entryId, csr: bufferOf(csr) }))
  const { results } = await channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params }, { signal, timeoutMs: 15_000, metadata })
  if (results.length !== requests.length) throw new MayflyError('INTERNAL', 'the server answered another number of requests than it was sent')
  return results.map(({ status, svid }): SigningOutcome => {
    const code = status?.code ?? 0
    if (code !== 0) return { kind: 'refused', code: codeOf(code), message: status?.message ?? 'refused' }
    if (svid === null || svid.certChain.length === 0) return { kind: 'refused', code: 'INTERNAL', message: 'the server answered without a certificate' }
    return { kind: 'signed', chain: svid.certChain }
  })
}

/** The nearest code of a gRPC status number. */
function codeOf(status: number): ErrorCode {
  return statusCodes[status] ?? 'UNAVAILABLE'
}

const statusCodes: Readonly<Record<number, ErrorCode>> = {
  3: 'INVALID_ARGUMENT',
  5: 'NOT_FOUND',
  7: 'PERMISSION_DENIED',
  8: 'LIMIT_EXCEEDED',
  9: 'PRECONDITION_FAILED',
  12: 'UNIMPLEMENTED',
  14: 'UNAVAILABLE',
}
