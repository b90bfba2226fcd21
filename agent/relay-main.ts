import { mkdirSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { MayflyError } from '../src/core/errors.ts'
import { headStoreIn } from '../src/verify/heads.ts'
import { printSchema, readConfigText, readMainArguments, runMain, serviceManager, versionBeside } from '../src/system/main-process.ts'
import { checkReread, parseRelayConfig, relayConfigSchema, relayFlagPaths, relaySettings, type RelayConfig } from './relay/config.ts'

/** The process of a relay: `--config FILE` and flags in, one line of JSON out once it listens, logs on standard error. */
await runMain(main)

async function main(args: readonly string[]): Promise<number> {
  const { text, file, fileName, overrides, checkOnly, schemaOnly, whileStdin } = readMainArguments(args, { paths: relayFlagPaths, switches: [], repeatable: ['upstream', 'listen'], command: 'mayfly relay run' })
  if (schemaOnly) return printSchema(relayConfigSchema())
  const parse = (source: string): RelayConfig => parseRelayConfig(source, overrides, fileName)
  const config = parse(text)
  if (checkOnly) return 0
  makeFolder(config.dataDir)
  // In a folder that is ours alone: a cache of code that others may write would be theirs to run.
  enableCompileCache(join(config.dataDir, 'cache'))
  const [{ Relay }, { ProcessLog }, { clockWith }, { readBootMs }, { systemRandom }, files, { FileLock }, { peerCredentials, selfTestPeerCredentials }, { onHangUp, stopOnSignals }, { trimHeapWhenIdle }, { LiveConfig }, { reloadLogged }] = await Promise.all([
    import('./relay/relay.ts'),
    import('../src/system/process-log.ts'),
    import('../src/system/clock.ts'),
    import('../src/system/linux/boottime.ts'),
    import('../src/system/random.ts'),
    import('../src/system/files.ts'),
    import('../src/system/file-lock.ts'),
    import('../src/system/linux/peer-credentials.ts'),
    import('../src/system/signals.ts'),
    import('../src/system/heap.ts'),
    import('../src/config/live.ts'),
    import('../src/config/reload.ts'),
  ])
  using stop = stopOnSignals({ whileStdin })
  using manager = await serviceManager([])
  using _lock = FileLock.acquire(join(config.dataDir, 'relay.lock'))
  await selfTestPeerCredentials()
  const headFile = join(config.dataDir, 'revocation-head.json')
  const clock = clockWith(readBootMs)
  const version = versionBeside(import.meta.filename)
  const log = new ProcessLog(config.logLevel)
  const live = new LiveConfig(config, relaySettings, file === undefined ? undefined : () => checkReread(parse(readConfigText(file)), config, fileName))
  live.onChange(({ logLevel }) => (log.level = logLevel))
  using _hangUp = onHangUp(() => reloadLogged(live, 'SIGHUP', log), manager)
  const { metricsAddress } = config
  await using metrics = metricsAddress === undefined ? undefined : new (await import('./relay/metrics.ts')).RelayMetrics({ clock, version })
  await using relay = await Relay.start(config, {
    clock,
    random: systemRandom,
    env: {},
    log: metrics?.log(log) ?? log,
    live,
    ...(metrics === undefined ? {} : { onEnded: metrics.onEnded }),
    heads: headStoreIn({ read: async (maxBytes) => files.readFileBounded(headFile, maxBytes), write: async (content) => files.writeFileAtomic(headFile, content) }),
    readFile: async (path) => readConfigText(path),
    peerUid: (socket) => peerCredentials(socket).uid,
    rssBytes: () => process.memoryUsage.rss(),
    version,
    signal: stop.signal,
  })
  const measuredAt = metricsAddress === undefined ? undefined : await metrics?.serve(metricsAddress, relay)
  using _trimming = trimHeapWhenIdle()
  manager?.ready('serving')
  void manager?.keepAlive(clock) // never rejects
  process.stdout.write(`${JSON.stringify({ event: 'serving', listening: relay.listening, ...(measuredAt === undefined ? {} : { metricsAddress: measuredAt }), trustDomain: relay.trustDomain, pid: process.pid })}\n`)
  await new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve()
    else stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  manager?.stopping()
  log.info({ event: 'relay.stopping' }, 'draining')
  return 0
}

function makeFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    mkdirSync(join(dataDir, 'cache'), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new MayflyError('CONFIG_INVALID', `${dataDir} cannot be made`, { cause: error, hint: error instanceof Error ? error.message : 'choose another dataDir' })
  }
}
