import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const root: string = fileURLToPath(new URL('..', import.meta.url))

/** A program of node_modules/.bin or a script, run on this Node, its output shown; resolves with its exit code. */
export async function step(name: string, program: string, args: readonly string[], env: Record<string, string> = {}): Promise<number> {
  const startedMs = performance.now()
  const child = spawn(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal)
  process.on('SIGTERM', forward).on('SIGINT', forward)
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status, signal) => resolve(status ?? 128 + constants.signals[signal ?? 'SIGKILL']))
  })
  process.off('SIGTERM', forward).off('SIGINT', forward)
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.error(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`)
  return code
}

export const typecheck = (): Promise<number> => step('types: tsc', 'tsc', ['-p', '.', '--noEmit'])

export const lint = (args: readonly string[] = []): Promise<number> => step('lint: oxlint', 'oxlint', ['--type-aware', '--deny-warnings', ...args])

/** Vitest on one of the configurations, with a report of ours beside the usual one when MAYFLY_TEST_REPORTS names a folder for it. */
export function vitest(suite: string, config: string, args: readonly string[], env: Record<string, string>, report: string): Promise<number> {
  const reports = process.env['MAYFLY_TEST_REPORTS']
  const reporters = reports === undefined ? [] : ['--reporter=default', '--reporter=./tools/report-file.ts']
  const where = reports === undefined ? {} : { MAYFLY_TEST_REPORT: join(reports, `${report}.json`) }
  return step(`tests: ${suite}`, 'vitest', ['run', '--config', config, ...reporters, ...args], { ...env, ...where })
}
