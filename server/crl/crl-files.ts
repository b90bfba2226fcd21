import { join } from 'node:path'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { maxCrlBytes, parseCrl } from '../../src/x509/crl.ts'
import { encodeCertificatesPem, encodePem } from '../../src/x509/pem.ts'
import { crlName } from './crl-bridge.ts'
import type { CrlBridge } from './crl-bridge.ts'
import type { PublishedCrl } from './published-crl.ts'

export interface CrlFilesDeps {
  readonly files: {
    directory(path: string): Promise<void>
    writeFileAtomic(path: string, content: Uint8Array | string, mode: number): Promise<void>
    readFileBounded(path: string, maxBytes: number): Promise<Uint8Array | undefined>
    removeFile(path: string): Promise<void>
    list(path: string): Promise<readonly string[]>
  }
  /** Runs a program, without a shell, to its end; resolves with its exit code, or rejects when it cannot be run or takes longer. */
  readonly run: (argv: readonly string[], limitMs: number, signal: AbortSignal) => Promise<number>
  readonly clock: Clock
  readonly log: Logger
}

export interface CrlFilesConfig {
  readonly directory: string
  /** Run, without a shell, after the files have changed; empty: nothing. */
  readonly reload: readonly string[]
}

const reloadLimitMs = 30_000
const retryMs = 5_000

/** The highest number of a list among the files of a run before: the next ones are above it. */
export async function lastCrlNumber(directory: string, files: CrlFilesDeps['files']): Promise<bigint> {
  let highest = 0n
  for (const name of await files.list(directory)) {
    if (!/^[0-9a-f]{64}\.crl$/.test(name)) continue
    try {
      const { number } = parseCrl((await files.readFileBounded(join(directory, name), maxCrlBytes)) ?? new Uint8Array(0))
      if (number > highest) highest = number
    } catch {
      continue // damaged, or not ours: it is written anew
    }
  }
  return highest
}

/**
 * Keeps lists and bundle as files, each replaced whole: `<authority>.crl` (DER), `crl.pem` (all, for nginx and openssl), `bundle.pem`. The lists are there before the
 * bundle names a new authority. A reload command runs after the last of them, once for changes that come together.
 */
export class CrlFiles implements AsyncDisposable {
  readonly #config: CrlFilesConfig
  readonly #deps: CrlFilesDeps
  readonly #stop = new AbortController()
  readonly #following: Disposable
  #wake = new AbortController()
  #wanted: readonly PublishedCrl[] | undefined
  #running: Promise<void>

  private constructor(config: CrlFilesConfig, bridge: CrlBridge, deps: CrlFilesDeps) {
    this.#config = config
    this.#deps = deps
    this.#following = bridge.onPublished((crls) => {
      this.#wanted = crls
      this.#wake.abort()
    })
    this.#running = Promise.resolve()
  }

  /** Resolves once the files are there. @throws when the directory cannot be written */
  static async start(config: CrlFilesConfig, bridge: CrlBridge, deps: CrlFilesDeps): Promise<CrlFiles> {
    await deps.files.directory(config.directory)
    const files = new CrlFiles(config, bridge, deps)
    await files.#write(bridge.crls)
    files.#running = files.#run()
    return files
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#following[Symbol.dispose]()
    this.#stop.abort()
    this.#wake.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps
    const { signal } = this.#stop
    await this.#reload()
    while (!signal.aborted) {
      this.#wake = new AbortController()
      const crls = this.#wanted
      if (crls === undefined) {
        await new Promise<void>((resolve) => this.#wake.signal.addEventListener('abort', () => resolve(), { once: true }))
        continue
      }
      this.#wanted = undefined
      try {
        await this.#write(crls)
        await this.#reload()
      } catch (error) {
        log.error({ event: 'crl.unwritten', directory: this.#config.directory, error }, 'the lists could not be written; it is tried again')
        this.#wanted ??= crls
        await clock.sleep(retryMs, signal).catch(() => undefined) // stopping
      }
    }
  }

  async #write(crls: readonly PublishedCrl[]): Promise<void> {
    const { files } = this.#deps
    const { directory } = this.#config
    const names = new Set(crls.map(({ authorityId }) => crlName(authorityId)))
    for (const { authorityId, der } of crls) await files.writeFileAtomic(join(directory, crlName(authorityId)), der, 0o644)
    await files.writeFileAtomic(join(directory, 'crl.pem'), crlsPem(crls), 0o644)
    await files.writeFileAtomic(join(directory, 'bundle.pem'), bundlePem(crls), 0o644)
    for (const name of await files.list(directory)) if (/^[0-9a-f]{64}\.crl$/.test(name) && !names.has(name)) await files.removeFile(join(directory, name))
  }

  async #reload(): Promise<void> {
    const { run, log } = this.#deps
    const { reload } = this.#config
    if (reload.length === 0 || this.#stop.signal.aborted) return
    try {
      const code = await run(reload, reloadLimitMs, this.#stop.signal)
      if (code === 0) log.info({ event: 'crl.reloaded', command: reload[0] }, 'told whoever reads the lists')
      else log.error({ event: 'crl.reload_failed', command: reload[0], code }, 'the reload command failed: whoever reads the lists may still have the old ones')
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error({ event: 'crl.reload_failed', command: reload[0], error }, 'the reload command could not be run')
    }
  }
}

/** All lists one after another. Node reads only the first of them: there, pass an array. */
export function crlsPem(crls: readonly PublishedCrl[]): string {
  return crls.map(({ der }) => encodePem('X509 CRL', der)).join('')
}

/** The authorities that the lists are of. */
export function bundlePem(crls: readonly PublishedCrl[]): string {
  return encodeCertificatesPem(crls.map(({ certificate }) => certificate.raw))
}
