import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import process from 'node:process'
import { MayflyError } from '../../core/errors.ts'
import { readFileBounded } from '../../system/files.ts'
import { givenEnvironment } from '../compile-cache.ts'

/** How the program that reads the files is told that they changed. */
export type Reload =
  | { readonly kind: 'none' }
  /** Run without a shell, with these variables besides its own; what it prints goes to standard error. */
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals; readonly pidFile: string }

/** What has to have happened once before a reader may rely on the files: a command has run through; who is to be signalled may be started only then, so that no signal is waited for. */
export function readyAfter(reload: Reload): 'written' | 'reloaded' {
  return reload.kind === 'command' ? 'reloaded' : 'written'
}

/** Whether the files are there, or were taken away. */
export type FilesState = 'written' | 'withdrawn'

const maxPidFileBytes = 64

/** Resolves once the program was told; a command has then ended well. @throws {MayflyError} RELOAD_FAILED it was not, or took longer than `limitMs` */
export async function tellReader(reload: Reload, state: FilesState, limitMs: number, signal: AbortSignal): Promise<void> {
  switch (reload.kind) {
    case 'none':
      return
    case 'command':
      return await run(reload.argv, { ...givenEnvironment(), ...reload.env, MAYFLY_SVID_STATE: state }, limitMs, signal)
    case 'signal':
      return await sendSignal(reload.signal, reload.pidFile)
    default:
      return reload satisfies never
  }
}

/** `HUP` and `SIGHUP` are the same. @throws {MayflyError} USAGE */
export function parseSignalName(text: string): NodeJS.Signals {
  const name = text.startsWith('SIG') ? text : `SIG${text}`
  if (!isSignal(name)) throw new MayflyError('USAGE', `${JSON.stringify(text)} is no signal`, { hint: 'write it as SIGHUP or HUP' })
  return name
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}

async function run([command = '', ...args]: readonly string[], env: NodeJS.ProcessEnv, limitMs: number, signal: AbortSignal): Promise<void> {
  const failed = await new Promise<string | undefined>((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 2, 2], env, signal, timeout: limitMs, killSignal: 'SIGKILL' })
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, by) => resolve(code === 0 ? undefined : code === null ? `it was ended by ${by ?? 'a signal'}, or took longer than ${limitMs / 1_000} s` : `its exit code is ${code}`))
  })
  if (failed !== undefined) throw new MayflyError('RELOAD_FAILED', `${command}: ${failed}`)
}

async function sendSignal(name: NodeJS.Signals, pidFile: string): Promise<void> {
  const content = await readFileBounded(pidFile, maxPidFileBytes)
  const pid = Number(/^\s*(\d{1,10})\s*$/.exec(content === undefined ? '' : Buffer.from(content).toString('latin1'))?.[1] ?? 0)
  if (pid < 2) throw new MayflyError('RELOAD_FAILED', content === undefined ? `there is no ${pidFile}` : `${pidFile} holds no pid`)
  try {
    process.kill(pid, name)
  } catch (cause) {
    throw new MayflyError('RELOAD_FAILED', `process ${pid} of ${pidFile} cannot be sent ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
