import type { Endpoint } from '../core/endpoint.ts'
import { parseEndpoint } from '../core/endpoint.ts'
import { MayflyError } from '../core/errors.ts'
import type { StreamHead } from '../core/revocation/follower.ts'
import { RpcChannel } from '../rpc/channel.ts'
import type { ChannelConfig } from '../rpc/channel.ts'
import type { BundleSet } from '../verify/bundle-set.ts'
import type { StreamFrame } from '../verify/reader.ts'
import type { SignedReport } from '../verify/reporter.ts'
import type { ClientDeps } from './deps.ts'
import { RevocationChannel } from './revocation-channel.ts'
import { watchStates } from './watch.ts'
import type { Update } from './watch.ts'
import type { X509Context } from './x509-context.ts'
import { bundleSetOf, x509ContextOf } from './x509-context.ts'

export interface WorkloadApiConfig {
  /** `unix:///path` or `tcp://ip:port`; `SPIFFE_ENDPOINT_SOCKET` when absent (EP-07). */
  readonly endpoint?: string
}

export interface WatchOptions {
  readonly signal?: AbortSignal
}

/** Calls to a SPIFFE Workload API, the standard's names. For identities that stay current use `X509Source`. */
export class WorkloadApi {
  readonly endpoint: Endpoint
  readonly #channel: RpcChannel
  readonly #revocations: RevocationChannel
  readonly #deps: ClientDeps

  /** Nothing is sent before the first call. @throws {MayflyError} ENDPOINT_INVALID */
  static connect(config: WorkloadApiConfig, deps: ClientDeps): WorkloadApi {
    const address = config.endpoint ?? deps.env['SPIFFE_ENDPOINT_SOCKET']
    if (address === undefined || address === '') {
      throw new MayflyError('ENDPOINT_INVALID', 'no Workload API is named', { hint: 'set SPIFFE_ENDPOINT_SOCKET to unix:///path/of/workload.sock, or pass endpoint' })
    }
    return new WorkloadApi(parseEndpoint(address), deps)
  }

  private constructor(endpoint: Endpoint, deps: ClientDeps) {
    this.endpoint = endpoint
    this.#deps = deps
    // EP-03: on every call. A full state may be large, and it comes from the node's own agent.
    const config: ChannelConfig = { clock: deps.clock, metadata: { 'workload.spiffe.io': 'true' }, maxReceiveBytes: 64 * 1024 * 1024 }
    this.#channel = endpoint.kind === 'unix' ? RpcChannel.connectUnix(endpoint.path, config) : RpcChannel.connectPlain(hostPort(endpoint), config)
    this.#revocations = new RevocationChannel(this.#channel)
  }

  /** The present state, once. @throws {MayflyError} NO_IDENTITY or PERMISSION_DENIED when the caller has none, RESPONSE_INVALID, UNAVAILABLE */
  async fetchX509Context(options: WatchOptions = {}): Promise<X509Context> {
    for await (const response of this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, options)) return x509ContextOf(response)
    throw new MayflyError('UNAVAILABLE', 'the Workload API ended the stream without an answer')
  }

  /** Every state as it comes, over reconnections: see {@link Update}. Ends when the signal aborts; throws what no retry mends (EP-11, EP-14). */
  watchX509Context(options: WatchOptions = {}): AsyncGenerator<Update<X509Context>, void, undefined> {
    return watchStates((signal) => this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { signal }), x509ContextOf, this.#deps, options.signal)
  }

  /** The present bundles, once. @throws as {@link fetchX509Context} */
  async fetchX509Bundles(options: WatchOptions = {}): Promise<BundleSet> {
    for await (const response of this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {}, options)) return bundleSetOf(response)
    throw new MayflyError('UNAVAILABLE', 'the Workload API ended the stream without an answer')
  }

  /** As {@link watchX509Context}, for a workload that only verifies. */
  watchX509Bundles(options: WatchOptions = {}): AsyncGenerator<Update<BundleSet>, void, undefined> {
    return watchStates((signal) => this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {}, { signal }), bundleSetOf, this.#deps, options.signal)
  }

  /** Frames of mayfly's revocation stream, which its agent serves beside the Workload API; any other answers UNIMPLEMENTED. */
  revocationFrames(position: StreamHead, signal: AbortSignal): AsyncGenerator<StreamFrame, void, undefined> {
    return this.#revocations.frames(position, signal)
  }

  /** The clock of the revocation stream's signer, told to a nonce of 16 bytes. @throws {MayflyError} UNIMPLEMENTED, UNAVAILABLE */
  async signerTime(nonce: Uint8Array, signal: AbortSignal): Promise<StreamFrame> {
    return await this.#revocations.time([nonce], signal)
  }

  /** Reports of a verifier to the server, which mayfly's agent relays; yields why the last registration was refused, if it was. */
  verifierReports(reports: AsyncIterable<SignedReport>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    return this.#revocations.reports(reports, signal)
  }

  close(): void {
    this.#channel.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
