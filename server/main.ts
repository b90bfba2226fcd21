import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { MayflyError } from '../src/core/errors.ts'
import { flagPaths, parseServerConfig } from './config.ts'
import type { ServerConfig } from './config.ts'

/** The process of a server: `--config FILE` and flags in, one line of JSON out once it serves, logs on standard error. */
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${twoLines(error)}\n`)
  process.exitCode = 1
}

async function main(args: readonly string[]): Promise<number> {
  const { config, checkOnly } = readArguments(args)
  if (checkOnly) return 0
  // In the data folder, which is ours alone: a cache of code in a folder that others may write would be theirs to run.
  const cache = join(config.dataDir, 'cache')
  enableCompileCache(cache)
  process.env['NODE_COMPILE_CACHE'] ??= cache // for the worker threads, which look there when they start
  const [{ Server }, { pino }, { clockWith }, { readBootMs }, { systemRandom }, files, { FileLock }, { peerCredentials }, { stopOnSignals }] = await Promise.all([
    import('./server.ts'),
    import('pino'),
    import('../src/system/clock.ts'),
    import('../src/system/linux/boottime.ts'),
    import('../src/system/random.ts'),
    import('../src/system/files.ts'),
    import('../src/system/file-lock.ts'),
    import('../src/system/linux/peer-credentials.ts'),
    import('../src/system/signals.ts'),
  ])
  using stop = stopOnSignals()
  const logger = pino({ level: config.logLevel, base: { pid: process.pid }, serializers: { error: pino.stdSerializers.err } }, pino.destination({ dest: 2, sync: true }))
  await using server = await Server.start(config, {
    clock: clockWith(readBootMs),
    random: systemRandom,
    log: {
      debug: (fact, text) => logger.debug(fact, text),
      info: (fact, text) => logger.info(fact, text),
      warn: (fact, text) => logger.warn(fact, text),
      error: (fact, text) => logger.error(fact, text),
    },
    files,
    lock: async (path) => {
      const lock = FileLock.acquire(`${path}.lock`)
      return { [Symbol.asyncDispose]: async () => lock[Symbol.dispose]() }
    },
    peerCredentials,
    ownUid: process.geteuid?.() ?? -1,
    rssBytes: () => process.memoryUsage.rss(),
    version: versionOfPackage(),
  })
  process.stdout.write(`${JSON.stringify({ event: 'serving', address: server.address, adminSocket: server.adminSocket, trustDomain: config.trustDomain, pid: process.pid })}\n`)
  await new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve()
    else stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  logger.info({ event: 'server.stopping' }, 'draining')
  return 0
}

function readArguments(args: readonly string[]): { readonly config: ServerConfig; readonly checkOnly: boolean } {
  const { values } = parse(args)
  const file = textOf(values['config'])
  const overrides = Object.fromEntries(Object.entries(flagPaths).map(([flag, path]) => [path, values[flag]]))
  return { config: parseServerConfig(file === undefined ? '' : read(file), overrides, file ?? 'flags', process.geteuid?.() ?? -1), checkOnly: values['check-config'] === true }
}

function parse(args: readonly string[]): { readonly values: Readonly<Record<string, string | boolean | string[] | undefined>> } {
  const flags = Object.keys(flagPaths).map((flag) => [flag, flag === 'dev' ? { type: 'boolean' as const } : flag === 'admin-uid' ? { type: 'string' as const, multiple: true } : { type: 'string' as const }])
  try {
    const { values } = parseArgs({ args: [...args], strict: true, options: { config: { type: 'string' }, 'check-config': { type: 'boolean' }, ...Object.fromEntries(flags) } })
    return { values: values as Record<string, string | boolean | string[] | undefined> } // each is of the type its option was given
  } catch (error) {
    throw new MayflyError('USAGE', error instanceof Error ? error.message.split('\n')[0] ?? '' : 'the arguments are not understood', { hint: 'see mayfly server run --help' })
  }
}

function textOf(value: string | boolean | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MayflyError('CONFIG_INVALID', `${file} cannot be read`, { cause: error, hint: error instanceof Error ? error.message : 'is it there, and yours to read?' })
  }
}

function versionOfPackage(): string {
  const json: unknown = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))
  return typeof json === 'object' && json !== null && 'version' in json && typeof json.version === 'string' ? json.version : 'unknown'
}

/** `mayfly: what` and `hint: …`; of an error that is not ours, all that there is. */
function twoLines(error: unknown): string {
  if (!(error instanceof MayflyError)) return `mayfly: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\nhint: this is a defect of mayfly: please report it`
  return `mayfly: ${error.message}\nhint: ${error.hint ?? `docs/errors.md says more of ${error.code}`}`
}
