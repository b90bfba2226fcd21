import { isSpiffeId, parseSpiffeId, spiffeIdOf, parseTrustDomain } from '../core/spiffe-id.ts'
import type { SpiffeId } from '../core/spiffe-id.ts'
import type { SPIFFEID } from '../../proto/generated/spire/api/types/SPIFFEID.ts'
import type { RpcChannel } from '../rpc/channel.ts'

/** On SPIRE's wire an ID is two parts. */
export function idToWire(id: SpiffeId): SPIFFEID {
  const [, trustDomain = '', path = ''] = /^spiffe:\/\/([^/]+)(.*)$/.exec(id) ?? []
  return { trustDomain, path }
}

/** As text; empty when it is not set. */
export function idFromWire(id: SPIFFEID | null | undefined): string {
  return id === null || id === undefined || (id.trustDomain ?? '') === '' ? '' : `spiffe://${id.trustDomain ?? ''}${id.path ?? ''}`
}

/** A SPIFFE ID as typed, or a path such as `/web`, which is taken in the server's own trust domain. @throws {MayflyError} SPIFFE_ID_INVALID */
export async function typedId(text: string, channel: RpcChannel, signal: AbortSignal): Promise<SpiffeId> {
  if (!text.startsWith('/') || isSpiffeId(text)) return parseSpiffeId(text)
  const { trustDomain } = await channel.unary('mayfly.v1.Status', 'Get', {}, { signal })
  return spiffeIdOf(parseTrustDomain(trustDomain), text)
}
