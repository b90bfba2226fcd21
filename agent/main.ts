import { mkdirSync, readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { MayflyError } from '../src/core/errors.ts'
import { flagPaths, parseAgentConfig } from './config.ts'
import type { AgentConfig } from './config.ts'

/** The process of an agent: `--config FILE` and flags in, one line of JSON out once its sockets listen, logs on standard error. */
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${twoLines(error)}\n`)
  process.exitCode = 1
}

async function main(args: readonly string[]): Promise<number> {
  const { config, checkOnly } = readArguments(args)
  if (checkOnly) return 0
  makeFolders(config)
  // In a folder that is ours alone: a cache of code that others may write would be theirs to run.
  enableCompileCache(join(config.dataDir, 'cache'))
  const [{ Agent }, { pino }, { clockWith }, { readBootMs }, { systemRandom }, files, { FileLock }, { linuxProcesses }, { ExitWatch }, { selfTestPeerCredentials }, { stopOnSignals }] = await Promise.all([
    import('./agent.ts'),
    import('pino'),
    import('../src/system/clock.ts'),
    import('../src/system/linux/boottime.ts'),
    import('../src/system/random.ts'),
    import('../src/system/files.ts'),
    import('../src/system/file-lock.ts'),
    import('../src/system/linux/processes.ts'),
    import('../src/system/linux/exit-watch.ts'),
    import('../src/system/linux/peer-credentials.ts'),
    import('../src/system/signals.ts'),
  ])
  using stop = stopOnSignals()
  const logger = pino({ level: config.logLevel, base: { pid: process.pid } }, pino.destination({ dest: 2, sync: true }))
  using _lock = FileLock.acquire(join(config.dataDir, 'agent.lock'))
  const support = await selfTestPeerCredentials()
  await using exitWatch = ExitWatch.start()
  await using agent = await Agent.start(config, {
    clock: clockWith(readBootMs),
    random: systemRandom,
    log: {
      debug: (fact, text) => logger.debug(fact, text),
      info: (fact, text) => logger.info(fact, text),
      warn: (fact, text) => logger.warn(fact, text),
      error: (fact, text) => logger.error(fact, text),
    },
    files: {
      read: (name, maxBytes) => files.readFileBounded(join(config.dataDir, name), maxBytes),
      write: (name, content) => files.writeFileAtomic(join(config.dataDir, name), content),
      remove: (name) => files.removeFile(join(config.dataDir, name)),
    },
    readFile: async (path) => readText(path),
    processes: linuxProcesses(),
    exitWatch,
    bindingTier: config.bindingTier === 'auto' ? (support.pidfd ? 'pidfd' : 'pid') : config.bindingTier,
    rssBytes: () => process.memoryUsage.rss(),
    version: versionOfPackage(),
  })
  process.stdout.write(`${JSON.stringify({ event: 'serving', workloadSocket: config.workloadSocket, adminSocket: config.adminSocket, trustDomain: agent.trustDomain, pid: process.pid })}\n`)
  const stopped = new Promise<undefined>((resolve) => {
    if (stop.signal.aborted) resolve(undefined)
    else stop.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const lost = await Promise.race([stopped, agent.lost])
  if (lost !== undefined) throw lost
  logger.info({ event: 'agent.stopping' }, 'draining')
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

function readArguments(args: readonly string[]): { readonly config: AgentConfig; readonly checkOnly: boolean } {
  const { values } = parse(args)
  const file = textOf(values['config'])
  const overrides = Object.fromEntries(Object.entries(flagPaths).map(([flag, path]) => [path, values[flag]]))
  return { config: parseAgentConfig(file === undefined ? '' : readText(file), overrides, file ?? 'flags', process.geteuid?.() ?? -1), checkOnly: values['check-config'] === true }
}

function parse(args: readonly string[]): { readonly values: Readonly<Record<string, string | boolean | string[] | undefined>> } {
  const flags = Object.keys(flagPaths).map((flag) => [
    flag,
    flag === 'insecure-bootstrap' ? { type: 'boolean' as const } : flag === 'admin-uid' ? { type: 'string' as const, multiple: true } : { type: 'string' as const },
  ])
  try {
    const { values } = parseArgs({ args: [...args], strict: true, options: { config: { type: 'string' }, 'check-config': { type: 'boolean' }, ...Object.fromEntries(flags) } })
    return { values: values as Record<string, string | boolean | string[] | undefined> } // each is of the type its option was given
  } catch (error) {
    throw new MayflyError('USAGE', error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'the arguments are not understood', { hint: 'see mayfly agent run --help' })
  }
}

function textOf(value: string | boolean | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function readText(file: string): string {
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
