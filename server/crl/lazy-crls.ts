import { join } from 'node:path'
import type { ServerConfig } from '../config.ts'
import type { AuthoritySet } from '../ca/authorities.ts'
import { isListUrl } from '../ca/upstream/lists.ts'
import type { UpstreamSource } from '../ca/upstream/upstream.ts'
import type { ServerDeps } from '../deps.ts'
import type { Store } from '../store/port.ts'
import { CrlBridge } from './crl-bridge.ts'
import { CrlFiles, lastCrlNumber } from './crl-files.ts'
import { CrlHttp } from './crl-http.ts'
import type { PublishedCrl } from './published-crl.ts'
import { FetchedLists } from './fetched-lists.ts'
import { checkLists, UpstreamLists } from './upstream-lists.ts'

/** Lists of revoked certificates, made from the first time on that somebody wants them. */
export class LazyCrls implements AsyncDisposable {
  readonly #start: () => Promise<CrlBridge>
  #bridge: Promise<CrlBridge> | undefined
  #started: CrlBridge | undefined

  constructor(start: () => Promise<CrlBridge>) {
    this.#start = start
  }

  /** The lists as they stand; unset while nobody wants any. */
  get published(): readonly PublishedCrl[] | undefined {
    return this.#started?.crls
  }

  async bridge(): Promise<CrlBridge> {
    this.#bridge ??= this.#begin().catch((error: unknown) => {
      this.#bridge = undefined // for the next one who asks
      throw error
    })
    return await this.#bridge
  }

  async #begin(): Promise<CrlBridge> {
    return (this.#started = await this.#start())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#bridge?.catch(() => undefined))?.[Symbol.asyncDispose]() // whoever asked was told
  }
}

/** Puts them where the configuration names a place for them. Returns the HTTP address, if any. */
export async function publishCrls({ crl }: ServerConfig, { clock, log, files, runCommand }: Pick<ServerDeps, 'clock' | 'log' | 'files' | 'runCommand'>, crls: LazyCrls, held: AsyncDisposableStack): Promise<string | undefined> {
  if (crl.directory !== undefined) held.use(await CrlFiles.start({ directory: crl.directory, reload: crl.reload }, await crls.bridge(), { files, run: runCommand, clock, log }))
  return crl.listen === undefined ? undefined : held.use(await CrlHttp.start(crl.listen, await crls.bridge())).address
}

/** Makes them from the store, and goes on making them. Numbers go on from those of the files that are there. */
export async function startBridge({ crl, dataDir, upstream: config }: ServerConfig, { clock, log, files }: Pick<ServerDeps, 'clock' | 'log' | 'files'>, store: Store, authorities: AuthoritySet, upstream: UpstreamSource | undefined): Promise<CrlBridge> {
  const lastNumber = crl.directory === undefined ? 0n : await lastCrlNumber(crl.directory, files)
  const crlPath = config?.crlPath
  const check = (lists: readonly Uint8Array[], before: readonly Uint8Array[]): void => checkLists(authorities, lists, before, clock.nowMs())
  const source = crlPath !== undefined && isListUrl(crlPath) ? await FetchedLists.start({ url: crlPath, file: join(dataDir, 'upstream-lists.pem') }, { clock, log, files, check }) : upstream
  const above = source === undefined ? undefined : new UpstreamLists(authorities, source)
  try {
    return await CrlBridge.start({ store, authorities, above, clock, log, lastNumber })
  } catch (error) {
    await above?.[Symbol.asyncDispose]()
    throw error
  }
}
