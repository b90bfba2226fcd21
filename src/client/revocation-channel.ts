import type { RelayedReports } from '../../proto/generated/mayfly/v1/RelayedReports.ts'
import type { VerifierReport } from '../../proto/generated/mayfly/v1/VerifierReport.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import type { StreamFrame } from '../verify/reader.ts'
import type { SignedReport } from '../verify/reporter.ts'

/** The calls of a verifier, or of a relay, to whoever serves it the revocation stream. */
export class RevocationChannel {
  readonly #channel: RpcChannel

  constructor(channel: RpcChannel) {
    this.#channel = channel
  }

  /** Frames from a position on; all zero: from a snapshot. */
  async *frames(position: StreamHead, signal: AbortSignal): AsyncGenerator<StreamFrame, void, undefined> {
    const { epoch, seq, chainHash } = position
    for await (const { frame, signerChain, path } of this.#channel.serverStream('mayfly.v1.RevocationStream', 'Watch', { position: { epoch, seq, chainHash: bufferOf(chainHash) } }, { signal })) {
      yield { frame, signerChain, ...(path.length === 0 ? {} : { path }) }
    }
  }

  /** The clock of the stream's signer, told to nonces of 16 bytes. @throws {MayflyError} UNIMPLEMENTED, UNAVAILABLE */
  async time(nonces: readonly Uint8Array[], signal: AbortSignal): Promise<StreamFrame> {
    return await this.#channel.unary('mayfly.v1.RevocationStream', 'Time', { nonces: nonces.map(bufferOf) }, { signal, timeoutMs: 5_000 })
  }

  /** Reports of one verifier to the server; yields why the last registration was refused, if it was. */
  async *reports(reports: AsyncIterable<SignedReport>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    for await (const { refused } of this.#channel.bidi('mayfly.v1.VerifierReports', 'Report', wireReports(reports), { signal })) yield refused
  }

  /** Those of a relay's verifiers, for as long as it lasts; yields whose registration was refused, and why. */
  async *relayed(reports: AsyncIterable<RelayedReports>, signal: AbortSignal): AsyncGenerator<{ readonly instance: Uint8Array; readonly refused: string }, void, undefined> {
    for await (const { instance, refused } of this.#channel.bidi('mayfly.v1.Relays', 'Report', reports, { signal })) yield { instance, refused }
  }

  close(): void {
    this.#channel.close()
  }
}

async function* wireReports(reports: AsyncIterable<SignedReport>): AsyncGenerator<VerifierReport, void, undefined> {
  for await (const { kind, svidChain, refusals, ...report } of reports) {
    const signed = wireOf(report)
    if (kind === 'registration') yield { registration: { ...signed, svidChain: svidChain.map(bufferOf) } }
    else if (kind === 'uses') yield { uses: signed }
    else yield { receipt: signed, ...(refusals === undefined ? {} : { refusals: wireOf(refusals) }) }
  }
}

function wireOf({ body, signature }: { readonly body: Uint8Array; readonly signature: Uint8Array }): { readonly body: Buffer; readonly signature: Buffer } {
  return { body: bufferOf(body), signature: bufferOf(signature) }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
