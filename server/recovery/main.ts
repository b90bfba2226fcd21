import { dirname, resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { clockWith } from '../../src/system/clock.ts'
import { FileLock } from '../../src/system/file-lock.ts'
import * as files from '../../src/system/files.ts'
import { readBootMs } from '../../src/system/linux/boottime.ts'
import { readConfigText, runMain, takenFromEnvironment, versionBeside } from '../../src/system/main-process.ts'
import { systemRandom } from '../../src/system/random.ts'
import { SlowPath } from '../../src/x509/peculiar/slow-path.ts'
import { openKeyStore } from '../ca/open-key-store.ts'
import { DiskUpstream } from '../ca/upstream/disk.ts'
import { parseServerConfig, type ServerConfig } from '../config.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { writeBackup } from './backup.ts'
import { exists } from './files.ts'
import { databaseName } from './manifest.ts'
import { restore } from './restore.ts'

const options = {
  config: { type: 'string' },
  data: { type: 'string' },
  'trust-domain': { type: 'string' },
  to: { type: 'string' },
  from: { type: 'string' },
  'in-place': { type: 'boolean' },
  'agents-join': { type: 'boolean' },
  reason: { type: 'string' },
} as const

/** Stands for a trust domain that nobody named: the store says which it is. */
const unnamed = 'unnamed.invalid'

/** Backup and restore while no server runs: `backup --to FOLDER` or `restore`, with the server's configuration; one line of JSON out when it is done or was refused. */
await runMain(async (args) => {
  try {
    return await main(args)
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error
    const { code, message, hint } = error
    process.stdout.write(`${JSON.stringify({ error: { code, message, hint } })}\n`)
    return 1
  }
})

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options, strict: true, allowPositionals: true })
  const file = values.config
  const given = { dataDir: values.data, trustDomain: values['trust-domain'] ?? (file === undefined ? unnamed : undefined) }
  const config = parseServerConfig(file === undefined ? '' : readConfigText(file), given, file ?? 'flags', process.geteuid?.() ?? -1)
  const clock = clockWith(readBootMs)
  const done = positionals[0] === 'backup' ? await backup(resolve(values.to ?? ''), config, clock) : await restored(values, config, clock)
  process.stdout.write(`${JSON.stringify(done)}\n`)
  return 0
}

async function backup(to: string, { dataDir, trustDomain }: ServerConfig, clock: Clock): Promise<object> {
  const path = resolve(dataDir, databaseName)
  if (!(await exists(path))) throw new MayflyError('NOT_FOUND', `there is no database in ${dataDir}`, { hint: 'name the data folder of the server: --data, or --config' })
  using _lock = FileLock.acquire(`${path}.lock`)
  await using store = await openSqliteStore({ path, trustDomain: trustDomain === unnamed ? undefined : trustDomain, nowMs: clock.nowMs() })
  return { to, ...(await writeBackup(to, { store, keysFolder: resolve(dataDir, 'keys'), clock, random: systemRandom, version: versionBeside(dirname(import.meta.filename)) })) }
}

async function restored(values: { readonly from?: string | undefined; readonly 'agents-join'?: boolean | undefined; readonly reason?: string | undefined }, config: ServerConfig, clock: Clock): Promise<object> {
  const dataDir = resolve(config.dataDir)
  await files.privateDirectory(dataDir)
  using _lock = FileLock.acquire(resolve(dataDir, `${databaseName}.lock`))
  const tokenPin = takenFromEnvironment(config.pkcs11?.pinEnv)
  await using slowPath = new SlowPath(clock)
  await using keys = await openKeyStore({ ...config, dataDir }, { files, tokenPin })
  const upstream = config.upstream === undefined ? undefined : new DiskUpstream(config.upstream, { trustDomain: config.trustDomain, files, clock })
  return await restore(
    {
      dataDir,
      from: values.from === undefined ? undefined : resolve(values.from),
      trustDomain: config.trustDomain === unnamed ? undefined : config.trustDomain,
      authorityTtlMs: config.authorityTtlMs,
      keyType: config.keyType,
      agentsReturn: values['agents-join'] !== true,
      reason: values.reason ?? '',
      by: `uid:${process.geteuid?.() ?? -1}`,
    },
    { clock, random: systemRandom, slowPath, keys, upstream },
  )
}
