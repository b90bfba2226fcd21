import type { Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { MayflyError } from '../../../src/core/errors.ts'
import type { SpiffeId, TrustDomain } from '../../../src/core/spiffe-id.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { Call } from '../../../src/rpc/handlers.ts'
import type { Listener } from '../../../src/rpc/listen-unix.ts'
import { listenUnix } from '../../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../../src/rpc/server.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { KeptLog } from '../agent/quiet.ts'
import { TestIssuer } from '../agent/test-issuer.ts'
import { socketPath } from '../rpc/harness.ts'
import { issueSvid } from '../rpc/svids.ts'
import type { TestSvid } from '../rpc/svids.ts'
import type { ClientDeps } from '../../../src/client/deps.ts'
import { X509Source } from '../../../src/client/x509-source.ts'
import type { X509SourceConfig } from '../../../src/client/x509-source.ts'
import type { X509SVIDResponse } from '../../../proto/generated/X509SVIDResponse.ts'

/** What the next message of every stream says: a response, or a failure that ends it. */
export type Answer = X509SVIDResponse | MayflyError

/** A real Workload API server on a Unix socket whose answers a test sets; each change goes to all open streams at once. */
export class TestWorkloadApi {
  readonly path: string
  readonly server: RpcServer<null> = new RpcServer<null>({ log: new KeptLog(), clock: systemClock })
  /** Metadata of each call, in order. */
  readonly calls: (readonly string[])[] = []
  #answer: Answer
  #listener: Listener | undefined
  readonly #wakes = new Set<() => void>()

  private constructor(path: string, answer: Answer) {
    this.path = path
    this.#answer = answer
    this.server.add('SpiffeWorkloadAPI', { FetchX509SVID: (_request, call) => this.#stream(call) })
  }

  static async start(answer: Answer, path: string = socketPath()): Promise<TestWorkloadApi> {
    const api = new TestWorkloadApi(path, answer)
    api.#listener = await listenUnix(path, { mode: 0o777, onConnection: (socket: Socket) => api.server.inject(socket, null) })
    onTestFinished(() => api.stop())
    return api
  }

  get endpoint(): string {
    return `unix://${this.path}`
  }

  set(answer: Answer): void {
    this.#answer = answer
    for (const wake of this.#wakes) wake()
  }

  /** Open streams. */
  get watching(): number {
    return this.#wakes.size
  }

  async stop(): Promise<void> {
    await this.#listener?.close()
    await this.server.close(0)
  }

  async *#stream(call: Call<null>): AsyncGenerator<X509SVIDResponse, void, undefined> {
    this.calls.push(call.metadata.values('workload.spiffe.io'))
    let sent: Answer | undefined
    while (!call.signal.aborted) {
      const answer = this.#answer
      if (answer !== sent) {
        sent = answer
        if (answer instanceof MayflyError) throw answer
        yield answer
        continue
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wakes.delete(wake)
          resolve()
        }
        this.#wakes.add(wake)
        call.signal.addEventListener('abort', wake, { once: true })
      })
    }
  }
}

/** A trust domain with an authority, for the length of a test file. */
export class TestDomain {
  readonly trustDomain: TrustDomain
  readonly issuer: TestIssuer

  constructor(name: string) {
    this.trustDomain = parseTrustDomain(name)
    this.issuer = new TestIssuer(name, Math.floor(Date.now() / 1_000) * 1_000)
  }

  id(path: string): SpiffeId {
    return parseSpiffeId(`spiffe://${this.trustDomain}${path}`)
  }

  /** A response with a fresh SVID for each path. */
  response(...paths: readonly string[]): X509SVIDResponse {
    return { svids: paths.map((path) => wireOf(this.id(path), issueSvid(this.issuer, this.id(path)), this.issuer.certificate)) }
  }
}

export function wireOf(id: SpiffeId, svid: TestSvid, bundle: Uint8Array, hint = ''): NonNullable<X509SVIDResponse['svids']>[number] {
  return { spiffeId: id, x509Svid: Buffer.concat(svid.certificateChain), x509SvidKey: Buffer.from(svid.pkcs8), bundle: Buffer.from(bundle), hint }
}

/** The domains' bundles for each other. */
export function federated(response: X509SVIDResponse, ...others: readonly TestDomain[]): X509SVIDResponse {
  return { ...response, federatedBundles: Object.fromEntries(others.map(({ trustDomain, issuer }) => [`spiffe://${trustDomain}`, Buffer.from(issuer.certificate)])) }
}

export const testDeps: ClientDeps & { readonly log: KeptLog } = { clock: systemClock, random: systemRandom, log: new KeptLog(), env: {} }

/** A source that is closed when the test is over. */
export async function startSource(api: TestWorkloadApi, config: X509SourceConfig = {}): Promise<X509Source> {
  const source = await X509Source.start({ endpoint: api.endpoint, startTimeoutMs: 5_000, ...config }, testDeps)
  onTestFinished(() => source[Symbol.asyncDispose]())
  return source
}

/** The next event of a source. */
export async function nextEvent(source: X509Source): Promise<'updated' | 'withdrawn'> {
  return new Promise((resolve) => {
    const subscription = source.onUpdate(({ kind }) => {
      subscription[Symbol.dispose]()
      resolve(kind)
    })
  })
}
