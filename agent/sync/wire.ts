import type { Entry__Output } from '../../proto/generated/mayfly/v1/Entry.ts'
import type { SPIFFEID__Output } from '../../proto/generated/spire/api/types/SPIFFEID.ts'
import type { StreamMessage, StreamMessage__Output } from '../../proto/generated/mayfly/v1/StreamMessage.ts'
import type { StreamPosition, StreamPosition__Output } from '../../proto/generated/mayfly/v1/StreamPosition.ts'
import type { Entry } from '../../src/core/entry.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { emptyChainHash, hashBytes } from '../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { checkSelector } from '../../src/core/selector.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'

/** An entry as the server pushes it. @throws {MayflyError} ENTRY_INVALID and those of its parts */
export function entryFromWire({ entry, options, disabled }: Entry__Output): Entry {
  if (entry === null || entry.id === '') throw new MayflyError('ENTRY_INVALID', 'the server sent an entry without an id')
  return {
    id: entry.id,
    spiffeId: idFromWire(entry.spiffeId),
    parentId: idFromWire(entry.parentId),
    selectors: entry.selectors.map(({ type, value }) => checkSelector({ type, value })),
    x509SvidTtlSeconds: entry.x509SvidTtl,
    jwtSvidTtlSeconds: entry.jwtSvidTtl,
    federatesWith: entry.federatesWith,
    admin: entry.admin,
    downstream: entry.downstream,
    expiresAtSeconds: entry.expiresAt,
    dnsNames: entry.dnsNames,
    storeSvid: entry.storeSvid,
    hint: entry.hint,
    disableX509SvidPrefetch: entry.additionalAttributes?.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: entry.additionalAttributes?.jwtSvidIncludeJti ?? false,
    createdAtSeconds: entry.createdAt,
    revision: entry.revisionNumber,
    owner: options?.owner ?? '',
    prefetch: options?.prefetch ?? false,
    keepOnExit: options?.keepOnExit ?? false,
    crl: options?.crl ?? false,
    disabled,
  }
}

export function idFromWire(id: SPIFFEID__Output | null): SpiffeId {
  return parseSpiffeId(`spiffe://${id?.trustDomain ?? ''}${id?.path ?? ''}`)
}

export function positionToWire({ epoch, seq, chainHash }: StreamHead): StreamPosition {
  return { epoch, seq, chainHash: bufferOf(chainHash) }
}

/** Anything malformed is a reader who knows nothing. */
export function positionFromWire(wire: StreamPosition__Output | null | undefined): StreamHead {
  if (wire === null || wire === undefined || wire.chainHash.length !== hashBytes || !Number.isSafeInteger(wire.epoch) || !Number.isSafeInteger(wire.seq)) return nowhere
  return { epoch: wire.epoch, seq: wire.seq, chainHash: wire.chainHash }
}

/** The position of a reader that wants a snapshot. */
export const nowhere: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }

export function frameFromWire({ frame, signerChain, path }: StreamMessage__Output): StreamFrame {
  return { frame, signerChain, ...(path.length === 0 ? {} : { path }) }
}

export function frameToWire({ frame, signerChain, path }: StreamFrame): StreamMessage {
  return { frame: bufferOf(frame), signerChain: signerChain.map(bufferOf), path: path?.map(bufferOf) ?? [] }
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
