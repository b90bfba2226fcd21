import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listenUnix } from '../../../src/rpc/listen-unix.ts'
import type { Listener } from '../../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../../src/rpc/server.ts'
import { systemClock } from '../../../src/system/clock.ts'
import type { SpireAgent, SpireBundle, SpireEntry } from '../../../src/cli/spire-import/registry.ts'
import { KeptLog } from '../agent/quiet.ts'

export interface FakeSpireOptions {
  readonly trustDomain?: string
  readonly entries: readonly SpireEntry[]
  readonly agents: readonly SpireAgent[]
  readonly bundles?: readonly SpireBundle[]
  readonly pageSize?: number
  /** Pages go on for ever. */
  readonly endless?: boolean
}

/** A SPIRE server as far as `mayfly import spire` asks one: bundle, entries and agents, a page at a time, on a Unix socket. */
export class FakeSpire implements AsyncDisposable {
  readonly socket: string
  /** Methods that were called. */
  readonly calls: string[] = []
  readonly #dir = mkdtempSync(join(tmpdir(), 'mf-'))
  readonly #rpc: RpcServer<undefined>
  #listener: Listener | undefined

  private constructor({ trustDomain = 'example.org', entries, agents, bundles = [], pageSize = 2, endless = false }: FakeSpireOptions) {
    this.socket = join(this.#dir, 's')
    this.#rpc = new RpcServer<undefined>({ clock: systemClock, log: new KeptLog() }, { maxSendBytes: 64 * 1024 * 1024 })
    const page = <Item>(items: readonly Item[], token: string): { readonly items: readonly Item[]; readonly nextPageToken: string } => {
      const from = Number(token)
      return { items: items.slice(from, from + pageSize), nextPageToken: endless ? String(from) || '0' : from + pageSize < items.length ? String(from + pageSize) : '' }
    }
    this.#rpc.add('spire.api.server.bundle.v1.Bundle', {
      GetBundle: async (_, { method }) => {
        this.calls.push(method)
        return { trustDomain }
      },
      ListFederatedBundles: async ({ pageToken }, { method }) => {
        this.calls.push(method)
        // its own is among them, and taken out of the page; a page that had any says that there is more
        const from = Number(pageToken)
        const items = [undefined, ...bundles].slice(from, from + pageSize)
        const nextPageToken = endless ? String(from) || '0' : items.length > 0 ? String(from + items.length) : ''
        return { bundles: items.filter((bundle) => bundle !== undefined).map(({ trustDomain: name, x509Authorities, sequence }) => ({ trustDomain: name, x509Authorities: x509Authorities.map((der) => ({ asn1: Buffer.from(der) })), sequenceNumber: sequence })), nextPageToken }
      },
    })
    this.#rpc.add('spire.api.server.entry.v1.Entry', {
      ListEntries: async ({ pageToken }, { method }) => {
        this.calls.push(method)
        const { items, nextPageToken } = page(entries, pageToken)
        return { entries: items.map(entryToWire), nextPageToken }
      },
    })
    this.#rpc.add('spire.api.server.agent.v1.Agent', {
      ListAgents: async ({ pageToken }, { method }) => {
        this.calls.push(method)
        const { items, nextPageToken } = page(agents, pageToken)
        return { agents: items.map(agentToWire), nextPageToken }
      },
    })
  }

  static async start(options: FakeSpireOptions): Promise<FakeSpire> {
    const spire = new FakeSpire(options)
    spire.#listener = await listenUnix(spire.socket, { mode: 0o600, maxConnections: 10, onConnection: (socket) => spire.#rpc.inject(socket, undefined) })
    return spire
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close()
    await this.#rpc.close(0)
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

type Wire = Readonly<Record<string, unknown>>

function entryToWire(entry: SpireEntry): Wire {
  const { disableX509SvidPrefetch, jwtSvidIncludeJti } = entry
  return {
    id: entry.id,
    spiffeId: idToWire(entry.spiffeId),
    parentId: idToWire(entry.parentId),
    selectors: [...entry.selectors],
    x509SvidTtl: entry.x509SvidTtlSeconds,
    jwtSvidTtl: entry.jwtSvidTtlSeconds,
    federatesWith: [...entry.federatesWith],
    dnsNames: [...entry.dnsNames],
    hint: entry.hint,
    admin: entry.admin,
    downstream: entry.downstream,
    storeSvid: entry.storeSvid,
    expiresAt: entry.expiresAtSeconds,
    createdAt: entry.createdAtSeconds,
    ...(disableX509SvidPrefetch || jwtSvidIncludeJti ? { additionalAttributes: { disableX509SvidPrefetch, jwtSvidIncludeJti } } : {}),
  }
}

function agentToWire(agent: SpireAgent): Wire {
  return { id: idToWire(agent.id), attestationType: agent.attestationType, selectors: [...agent.selectors], x509svidExpiresAt: agent.expiresAtSeconds, banned: agent.banned }
}

function idToWire(id: string): Wire {
  const [, trustDomain = '', path = ''] = /^spiffe:\/\/([^/]*)(.*)$/s.exec(id) ?? []
  return { trustDomain, path }
}
