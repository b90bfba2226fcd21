import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { MayflyError } from '../core/errors.ts'
import type { ServiceManager } from './service-manager.ts'

/** What the arguments of a main say: `--config FILE`, `--check-config`, `--config-schema`, `--while-stdin`, and flags that stand for keys of the configuration. */
export interface MainArguments {
  /** Text of the configuration file; empty without one. */
  readonly text: string
  /** The file; unset without one. */
  readonly file: string | undefined
  /** For messages: the file's name, or `flags`. */
  readonly fileName: string
  /** Values of the flags that were given, by the key's path. */
  readonly overrides: Readonly<Record<string, string | boolean | string[] | undefined>>
  readonly checkOnly: boolean
  /** Print the JSON Schema of the file and end. */
  readonly schemaOnly: boolean
  /** Stop when standard input ends: whoever started this process holds the other end. */
  readonly whileStdin: boolean
}

export interface MainFlags {
  /** Path of the key that each flag stands for. */
  readonly paths: Readonly<Record<string, string>>
  /** Those without a value. */
  readonly switches: readonly string[]
  /** Those that may be given several times, besides `admin-uid`. */
  readonly repeatable?: readonly string[]
  /** For the hint: `mayfly server run`. */
  readonly command: string
}

/** @throws {MayflyError} USAGE; CONFIG_INVALID when the file cannot be read */
export function readMainArguments(args: readonly string[], flags: MainFlags): MainArguments {
  const values = parsed(args, flags)
  const file = typeof values['config'] === 'string' ? values['config'] : undefined
  return {
    text: file === undefined ? '' : readConfigText(file),
    file,
    fileName: file ?? 'flags',
    overrides: Object.fromEntries(Object.entries(flags.paths).map(([flag, path]) => [path, values[flag]])),
    checkOnly: values['check-config'] === true,
    schemaOnly: values['config-schema'] === true,
    whileStdin: values['while-stdin'] === true,
  }
}

/** @throws {MayflyError} CONFIG_INVALID */
export function readConfigText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MayflyError('CONFIG_INVALID', `${file} cannot be read`, { cause: error, hint: reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? 'is it a file, and yours to read?' })
  }
}

/** A secret that the environment brought, taken out of it: what this process starts does not inherit it. `undefined`: there is none. */
export function takenFromEnvironment(name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  const value = process.env[name]
  delete process.env[name]
  return value === '' ? undefined : value
}

const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'this user may not read it', EISDIR: 'it is a folder' }

/** The version in the `package.json` one folder above a main's. */
export function versionBeside(mainFile: string): string {
  const json: unknown = JSON.parse(readFileSync(join(dirname(mainFile), '..', 'package.json'), 'utf8'))
  return typeof json === 'object' && json !== null && 'version' in json && typeof json.version === 'string' ? json.version : 'unknown'
}

/** systemd, or another that speaks its protocols, when it started this process. @param sockets that it may hand over @throws {MayflyError} CONFIG_INVALID */
export async function serviceManager(sockets: readonly string[]): Promise<ServiceManager | undefined> {
  if (process.env['NOTIFY_SOCKET'] === undefined && process.env['LISTEN_FDS'] === undefined) return undefined
  const { ServiceManager } = await import('./service-manager.ts')
  return ServiceManager.take(process.env, process.pid, sockets)
}

/** Prints a JSON Schema as a file has it. Resolves with the exit code. */
export function printSchema(schema: object): number {
  process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`)
  return 0
}

/** Runs a main and sets its exit code. A failure is told in two lines on standard error, `mayfly: what` and `hint: …`; with what the machine refused; of any other error that is not ours, all that there is. */
export async function runMain(main: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${twoLines(error)}\n`)
    process.exitCode = 1
  }
}

function parsed(args: readonly string[], { paths, switches, repeatable = [], command }: MainFlags): Readonly<Record<string, string | boolean | string[] | undefined>> {
  const flags = Object.keys(paths).map((flag) => [flag, switches.includes(flag) ? { type: 'boolean' as const } : { type: 'string' as const, multiple: flag === 'admin-uid' || repeatable.includes(flag) }]) // literals of the option's type
  try {
    const { values } = parseArgs({ args: [...args], strict: true, options: { config: { type: 'string' }, 'check-config': { type: 'boolean' }, 'config-schema': { type: 'boolean' }, 'while-stdin': { type: 'boolean' }, ...Object.fromEntries(flags) } })
    return values as Record<string, string | boolean | string[] | undefined> // each is of the type its option was given
  } catch (error) {
    const [text = ''] = (error instanceof Error ? error.message : String(error)).split(/\.\s|\n/)
    throw new MayflyError('USAGE', text.replace(/\.$/, '').replace(/^./, (letter) => letter.toLowerCase()), { hint: `see ${command} --help` })
  }
}

function twoLines(error: unknown): string {
  const refused = refusalOfHost(error)
  if (refused !== undefined) return refused
  if (!(error instanceof MayflyError)) return `mayfly: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\nhint: this is a defect of mayfly: please report it`
  return `mayfly: ${error.message}\nhint: ${error.hint ?? `docs/errors.md says more of ${error.code}`}`
}

/** What the machine refuses is no defect: it is told with the call that was refused, and what to look at. */
function refusalOfHost(error: unknown): string | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return undefined
  const hint = hostHints[String(error.code)]
  return hint === undefined ? undefined : `mayfly: ${error.message.replace(/^E[A-Z]+: /, '')} (${String(error.code)})\nhint: ${hint}`
}

const hostHints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the quota of this user is used up: make room',
  EROFS: 'the file system is read-only: mount it for writing, or name another data folder',
  EACCES: 'whose is the data folder? it must belong to the user that this runs as',
  EPERM: 'whose is the data folder? it must belong to the user that this runs as',
  EIO: 'the disk fails: look at the kernel log',
  EMFILE: 'too few descriptors: raise LimitNOFILE, or ulimit -n',
  ENFILE: 'this machine has no descriptors left',
}
