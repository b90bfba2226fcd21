import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SubscribeToX509SVIDsResponse__Output } from '../../../proto/generated/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts'
import type { SubscribeToX509SVIDsRequest } from '../../../proto/generated/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsRequest.ts'
import { LiveConfig } from '../../../src/config/live.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { ExitWatch } from '../../../src/system/linux/exit-watch.ts'
import { linuxProcesses } from '../../../src/system/linux/processes.ts'
import { AdminListener } from '../../../agent/api/admin-listener.ts'
import { WorkloadAttestor } from '../../../agent/attest/attestor.ts'
import { AuthorizedDelegates } from '../../../agent/delegated-identity/authorized-delegates.ts'
import { Notifier } from '../../../agent/notifier.ts'
import { Admission } from '../../../agent/workload-api/admission.ts'
import type { TestApi } from './workload-api.ts'

export const delegatedIdentityService = 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity'

/** The admin socket of an agent whose identities are those of a {@link TestApi}. */
export class TestDelegation implements AsyncDisposable {
  readonly socket: string
  readonly #dir = mkdtempSync(join(tmpdir(), 'mf-'))
  readonly #exitWatch = ExitWatch.start()
  readonly #channels: RpcChannel[] = []
  readonly delegates: AuthorizedDelegates
  #listener: AdminListener | undefined

  private constructor(authorized: readonly string[]) {
    this.delegates = new AuthorizedDelegates(authorized.map(parseSpiffeId))
    chmodSync(this.#dir, 0o755)
    this.socket = join(this.#dir, 'a')
  }

  /** @param adminUids who may use the rest of the socket; root always may */
  static async start(api: TestApi, authorized: readonly string[], adminUids: readonly number[] = [0]): Promise<TestDelegation> {
    const delegation = new TestDelegation(authorized)
    const processes = linuxProcesses()
    const attestor = new WorkloadAttestor(processes, { sha256MaxBytes: 300_000_000, tier: 'auto' })
    delegation.#listener = await AdminListener.start(
      { socketPath: delegation.socket, uids: adminUids, onlyOwn: true, drainMs: 100 },
      {
        clock: systemClock,
        log: api.log,
        processes,
        changed: new Notifier(),
        sources: async () => Promise.reject(new MayflyError('UNAVAILABLE', 'no agent')),
        attestPid: async () => Promise.reject(new MayflyError('UNAVAILABLE', 'no agent')),
        live: new LiveConfig({}, {}, undefined),
        delegation: {
          clock: systemClock,
          log: api.log,
          admission: new Admission({ connectionsPerUid: 100, connectionsPerProcess: 100, streamsPerUid: 100, streamsPerProcess: 20 }),
          connections: { processes, exitWatch: delegation.#exitWatch, attestor, tier: 'auto', needs: () => api.entries.kinds },
          delegates: delegation.delegates,
          notSynced: () => undefined,
          syncWaitMs: 200,
          x509: () => api.streams,
        },
      },
    )
    return delegation
  }

  client(): RpcChannel {
    const channel = RpcChannel.connectUnix(this.socket, { clock: systemClock })
    this.#channels.push(channel)
    return channel
  }

  /** SubscribeToX509SVIDs over a connection of its own. */
  svids(request: SubscribeToX509SVIDsRequest): AsyncGenerator<SubscribeToX509SVIDsResponse__Output, void, undefined> {
    return this.client().serverStream(delegatedIdentityService, 'SubscribeToX509SVIDs', request)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.#channels) channel.close()
    await this.#listener?.[Symbol.asyncDispose]()
    await this.#exitWatch[Symbol.asyncDispose]()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
