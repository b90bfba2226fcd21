import { MayflyError } from '../../src/core/errors.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { encodeBundle, parseBundle } from '../../src/x509/bundle.ts'
import type { TrustBundle } from '../../src/x509/bundle.ts'
import { decodeCertificatesPem, encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { agentSvidOf } from './agent-svid.ts'
import type { AgentSvid } from './agent-svid.ts'
import { keptTwice } from './kept-twice.ts'
import type { StateFiles } from './state-files.ts'

const keyFile = 'agent.key'
/** The key of a renewal, until its SVID is on disk too. */
const nextKeyFile = 'agent.key.next'
const serverFile = 'server.json'
const svidFile = 'agent.svid.pem'
const bundleFile = 'bundle.json'
const maxBytes = 4_194_304

/** What an agent keeps over restarts: its key and SVID, and the bundle. With keys in memory, the bundle alone. Each file is kept twice: one spoilt byte costs nothing. */
export class AgentState {
  readonly #files: StateFiles
  readonly #keyStorage: 'disk' | 'memory'

  constructor(files: StateFiles, keyStorage: 'disk' | 'memory') {
    this.#files = keptTwice(files)
    this.#keyStorage = keyStorage
  }

  /** Only a key and an SVID that fit together. */
  async loadSvid(): Promise<AgentSvid | undefined> {
    if (this.#keyStorage === 'memory') return undefined
    const chain = await this.#text(svidFile)
    if (chain === undefined) return undefined
    for (const file of [keyFile, nextKeyFile]) {
      const key = await this.#text(file)
      const svid = key === undefined ? undefined : fitting(key, chain)
      if (svid !== undefined) return svid
    }
    return undefined
  }

  /** In an order in which a crash at any point leaves an SVID with its key. */
  async saveSvid(svid: AgentSvid): Promise<void> {
    if (this.#keyStorage === 'memory') return
    const key = svid.key.toPem()
    await this.#files.write(nextKeyFile, key)
    await this.#files.write(svidFile, encodeCertificatesPem(svid.chain))
    await this.#files.write(keyFile, key)
    await this.#files.remove(nextKeyFile)
  }

  /** Where this agent joined, so that it starts again without its join line. */
  async loadServer(): Promise<ServerPlace | undefined> {
    const text = await this.#text(serverFile)
    if (text === undefined) return undefined
    const { address, trustDomain } = JSON.parse(text) as Readonly<Record<string, unknown>> // written by saveServer; checked below
    return typeof address === 'string' && typeof trustDomain === 'string' ? { address, trustDomain: parseTrustDomain(trustDomain) } : undefined
  }

  async saveServer(place: ServerPlace): Promise<void> {
    await this.#files.write(serverFile, JSON.stringify(place))
  }

  async loadBundle(trustDomain: TrustDomain): Promise<TrustBundle | undefined> {
    const text = await this.#text(bundleFile)
    return text === undefined ? undefined : parseBundle(trustDomain, text)
  }

  async saveBundle(bundle: TrustBundle): Promise<void> {
    await this.#files.write(bundleFile, encodeBundle(bundle))
  }

  /** The server knows this agent no more: nothing of its identity is kept. */
  async forget(): Promise<void> {
    for (const file of [svidFile, keyFile, nextKeyFile]) await this.#files.remove(file)
  }

  async #text(name: string): Promise<string | undefined> {
    const bytes = await this.#files.read(name, maxBytes)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  }
}

export interface ServerPlace {
  /** `host:port`. */
  readonly address: string
  readonly trustDomain: TrustDomain
}

function fitting(keyPem: string, chainPem: string): AgentSvid | undefined {
  try {
    return agentSvidOf(PrivateKey.fromPem(keyPem), decodeCertificatesPem(chainPem))
  } catch (error) {
    if (error instanceof MayflyError) return undefined
    throw error
  }
}
