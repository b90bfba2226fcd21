import { mkdirSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { MayflyError } from '../src/core/errors.ts'
import { JoinFiles } from '../src/system/join-files.ts'
import { printSchema, readConfigText, readMainArguments, runMain, serviceManager, versionBeside } from '../src/system/main-process.ts'
import { agentConfigSchema, agentSettings, flagPaths, parseAgentConfig } from './config.ts'
import type { AgentConfig } from './config.ts'

/** The process of an agent: `--config FILE` and flags in, one line of JSON out once its sockets listen, logs on standard error. */
await runMain(main)

async function main(args: readonly string[]): Promise<number> {
  const { text, file, fileName, overrides, checkOnly, schemaOnly, whileStdin } = readMainArguments(args, { paths: flagPaths, switches: ['insecure-bootstrap'], command: 'mayfly agent run' })
  if (schemaOnly) return printSchema(agentConfigSchema())
  const joinFiles = new JoinFiles({ firstLine: whileStdin })
  const parse = (source: string): AgentConfig => parseAgentConfig(source, overrides, fileName, process.geteuid?.() ?? -1, (path) => joinFiles.read(path))
  const early = parse(text)
  if (checkOnly) {
    if (await joinFiles.hear()) parse(text)
    return 0
  }
  makeFolders(early)
  // In a folder that is ours alone: a cache of code that others may write would be theirs to run.
  enableCompileCache(join(early.dataDir, 'cache'))
  const [{ Agent }, { ProcessLog }, { clockWith }, { readBootId, readBootMs }, { systemRandom }, files, { FileLock }, { linuxProcesses }, { ExitWatch }, { selfTestPeerCredentials }, { onHangUp, stopOnSignals }, { shortPauses, trimHeapWhenIdle }, { LiveConfig }, { reloadLogged }, { LinuxCgroups }, { probeSenses }] = await Promise.all([
    import('./agent.ts'),
    import('../src/system/process-log.ts'),
    import('../src/system/clock.ts'),
    import('../src/system/linux/boottime.ts'),
    import('../src/system/random.ts'),
    import('../src/system/files.ts'),
    import('../src/system/file-lock.ts'),
    import('../src/system/linux/processes.ts'),
    import('../src/system/linux/exit-watch.ts'),
    import('../src/system/linux/peer-credentials.ts'),
    import('../src/system/signals.ts'),
    import('../src/system/heap.ts'),
    import('../src/config/live.ts'),
    import('../src/config/reload.ts'),
    import('../src/system/linux/cgroups.ts'),
    import('../src/system/probe-senses.ts'),
  ])
  const support = await selfTestPeerCredentials()
  const config = (await joinFiles.hear()) ? parse(text) : early // by now there is nothing to do but wait
  using stop = stopOnSignals({ whileStdin })
  const clock = clockWith(readBootMs)
  const log = new ProcessLog(config.logLevel)
  const live = new LiveConfig(config, agentSettings, file === undefined ? undefined : () => parse(readConfigText(file)))
  live.onChange(({ logLevel }) => (log.level = logLevel))
  using manager = await serviceManager(['workload', 'check', 'admin'])
  using _hangUp = onHangUp(() => reloadLogged(live, 'SIGHUP', log), manager)
  using _lock = FileLock.acquire(join(config.dataDir, 'agent.lock'))
  await using exitWatch = ExitWatch.start()
  shortPauses()
  using trim = trimHeapWhenIdle()
  await using agent = await Agent.start(config, {
    clock,
    random: systemRandom,
    log,
    live,
    ...(manager === undefined ? {} : { inherited: manager.listeners }),
    files: {
      read: (name, maxBytes) => files.readFileBounded(join(config.dataDir, name), maxBytes),
      write: (name, content) => files.writeFileAtomic(join(config.dataDir, name), content),
      remove: (name) => files.removeFile(join(config.dataDir, name)),
    },
    readFile: async (path) => readConfigText(path),
    readBytes: files.readFileBounded,
    processes: linuxProcesses(),
    exitWatch,
    bindingTier: config.bindingTier === 'auto' ? (support.pidfd ? 'pidfd' : 'pid') : config.bindingTier,
    grants: { bootId: readBootId(), cgroups: LinuxCgroups.open(), senses: probeSenses, forgetSoon: () => trim.forgetSoon() },
    rssBytes: () => process.memoryUsage.rss(),
    version: versionBeside(import.meta.filename),
  })
  manager?.ready('serving')
  void manager?.keepAlive(clock) // never rejects
  process.stdout.write(`${JSON.stringify({ event: 'serving', workloadSocket: config.workloadSocket, adminSocket: config.adminSocket, checkSocket: config.checkSocket, ...(agent.metricsAddress === undefined ? {} : { metricsAddress: agent.metricsAddress }), trustDomain: agent.trustDomain, pid: process.pid })}\n`)
  const stopped = new Promise<undefined>((resolve) => {
    if (stop.signal.aborted) resolve(undefined)
    else stop.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const lost = await Promise.race([stopped, agent.lost])
  if (lost !== undefined) throw lost
  manager?.stopping()
  log.info({ event: 'agent.stopping' }, 'draining')
  return 0
}

/** Workloads of any user pass through the data folder to the socket; what is secret in it has a mode of its own. */
function makeFolders({ dataDir }: AgentConfig): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o755 })
    mkdirSync(join(dataDir, 'cache'), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new MayflyError('CONFIG_INVALID', `${dataDir} cannot be made`, { cause: error, hint: error instanceof Error ? error.message : 'choose another dataDir' })
  }
}
