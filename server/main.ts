import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { printSchema, readConfigText, readMainArguments, runMain, serviceManager, takenFromEnvironment, versionBeside } from '../src/system/main-process.ts'
import { flagPaths, parseServerConfig, serverConfigSchema, serverSettings } from './config.ts'
import type { ServerConfig } from './config.ts'

/** The process of a server: `--config FILE` and flags in, one line of JSON out once it serves, logs on standard error. */
await runMain(main)

async function main(args: readonly string[]): Promise<number> {
  const { text, file, fileName, overrides, checkOnly, schemaOnly, whileStdin } = readMainArguments(args, { paths: flagPaths, switches: ['dev'], command: 'mayfly server run' })
  if (schemaOnly) return printSchema(serverConfigSchema())
  const parse = (source: string): ServerConfig => parseServerConfig(source, overrides, fileName, process.geteuid?.() ?? -1)
  const config = parse(text)
  if (checkOnly) return 0
  // In the data folder, which is ours alone: a cache of code in a folder that others may write would be theirs to run.
  const cache = join(config.dataDir, 'cache')
  enableCompileCache(cache)
  process.env['NODE_COMPILE_CACHE'] ??= cache // for the worker threads, which look there when they start
  const [{ begin }, { clockWith }, { readBootMs }, files, { FileLock }] = await Promise.all([
    import('./beginning.ts'),
    import('../src/system/clock.ts'),
    import('../src/system/linux/boottime.ts'),
    import('../src/system/files.ts'),
    import('../src/system/file-lock.ts'),
  ])
  const clock = clockWith(readBootMs)
  const lock = async (path: string): Promise<AsyncDisposable> => {
    const held = FileLock.acquire(`${path}.lock`)
    return { [Symbol.asyncDispose]: async () => held[Symbol.dispose]() }
  }
  const tokenPin = takenFromEnvironment(config.pkcs11?.pinEnv) // before anything is started that would inherit it
  await using begun = begin(config, { clock, files, lock })
  const [{ Server }, { ProcessLog }, { systemRandom }, { runCommand }, { resolve }, { peerCredentials }, { onHangUp, stopOnSignals }, { trimHeapWhenIdle }, { LiveConfig }, { reloadLogged }] = await Promise.all([
    import('./server.ts'),
    import('../src/system/process-log.ts'),
    import('../src/system/random.ts'),
    import('../src/system/run-command.ts'),
    import('../src/system/resolve.ts'),
    import('../src/system/linux/peer-credentials.ts'),
    import('../src/system/signals.ts'),
    import('../src/system/heap.ts'),
    import('../src/config/live.ts'),
    import('../src/config/reload.ts'),
  ])
  using stop = stopOnSignals({ whileStdin })
  const log = new ProcessLog(config.logLevel)
  const live = new LiveConfig(config, serverSettings, file === undefined ? undefined : () => parse(readConfigText(file)))
  live.onChange(({ logLevel }) => (log.level = logLevel))
  using manager = await serviceManager(['tls', 'admin'])
  using _hangUp = onHangUp(() => reloadLogged(live, 'SIGHUP', log), manager)
  await using server = await Server.start(config, {
    clock,
    random: systemRandom,
    log,
    live,
    logLevels: {
      get current() {
        return log.level
      },
      set current(level) {
        log.level = level
      },
    },
    ...(manager === undefined ? {} : { inherited: manager.listeners }),
    files,
    runCommand,
    resolve,
    lock,
    begun,
    tokenPin,
    peerCredentials,
    ownUid: process.geteuid?.() ?? -1,
    rssBytes: () => process.memoryUsage.rss(),
    version: versionBeside(import.meta.filename),
  })
  using _trimming = trimHeapWhenIdle()
  manager?.ready(`serving ${server.address}`)
  void manager?.keepAlive(clock) // never rejects
  const { address, adminSocket, crlAddress, metricsAddress } = server
  process.stdout.write(`${JSON.stringify({ event: 'serving', address, adminSocket, crlAddress, metricsAddress, trustDomain: config.trustDomain, pid: process.pid })}\n`)
  const stopped = new Promise<undefined>((resolve) => {
    if (stop.signal.aborted) resolve(undefined)
    else stop.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const lost = await Promise.race([stopped, server.lost])
  if (lost !== undefined) {
    log.error({ event: 'store.lost', error: lost }, 'the store is gone: nothing can be decided or signed, this process ends')
    throw lost
  }
  manager?.stopping()
  log.info({ event: 'server.stopping' }, 'draining')
  return 0
}
