import { constants } from 'node:os'
import process from 'node:process'

import { MayflyError } from '../core/errors.ts'
import { systemClock } from '../system/clock.ts'
import { systemRandom } from '../system/random.ts'
import { parse } from './arguments.ts'
import type { Context } from './context.ts'
import { describeError, exitCodeOf, exitCodes } from './exit-code.ts'
import { helpOfCommand, helpOfTable } from './help.ts'
import { Output } from './output.ts'
import { find, table } from './table.ts'

/** Runs what was typed, in the real world; resolves with the exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  const output = new Output(process.stdout, process.stderr, { isTty: process.stdout.isTTY, columns: () => process.stdout.columns || 80 })
  const stop = stopOnSignals()
  const json = own(args).includes('--json')
  try {
    return await runCommand(args, { output, env: process.env, cwd: process.cwd(), clock: systemClock, random: systemRandom, signal: stop })
  } catch (error) {
    if (stop.aborted) return signalCodeOf(stop.reason)
    output.note(json ? JSON.stringify(errorObject(error)) : describeError(error))
    if (process.env['MAYFLY_TRACE'] !== undefined && error instanceof Error) output.note(String(error.stack))
    return exitCodeOf(error)
  }
}

/** What is for mayfly: after `--` comes another program's. */
function own(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--')
  return dashes < 0 ? args : args.slice(0, dashes)
}

async function runCommand(args: readonly string[], context: Context): Promise<number> {
  const { output } = context
  const [first] = args
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    if (first === 'help' && args[1] !== undefined) return runCommand([...args.slice(1), '--help'], context)
    output.line(helpOfTable(table))
    return exitCodes.ok
  }
  if (first === '--version' || first === 'version') {
    const { version } = await import('./version.ts')
    output.line(version())
    return exitCodes.ok
  }
  const found = find(args)
  switch (found.kind) {
    case 'unknown':
      throw new MayflyError('USAGE', `no command ${JSON.stringify(args.filter((arg) => !arg.startsWith('-')).slice(0, 2).join(' ') || first)}`, {
        hint: found.closest === undefined ? 'mayfly --help lists them' : `did you mean mayfly ${found.closest}?`,
      })
    case 'group':
      output.line(helpOfTable(found.rows, found.name))
      return exitCodes.ok
    case 'command': {
      const { command } = await found.row.load()
      const input = parse(found.row.name, command, found.args)
      if (input.options.help) {
        output.line(helpOfCommand(found.row.name, command))
        return exitCodes.ok
      }
      return (await command.run(input, context)) ?? exitCodes.ok
    }
    default:
      return found satisfies never
  }
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for an orderly end, one that comes a second later or more ends at once: the same
 * Ctrl-C may arrive twice, from the terminal and through npm.
 */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController()
  let firstMs = 0
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (systemClock.bootMs() - firstMs >= 1_000) process.exit(128 + constants.signals[name])
        return
      }
      firstMs = systemClock.bootMs()
      controller.abort(new MayflyError('SHUTTING_DOWN', `stopped by ${name}`, { details: { signal: name } }))
    })
  }
  return controller.signal
}

function signalCodeOf(reason: unknown): number {
  const name = reason instanceof MayflyError ? reason.details['signal'] : undefined
  return 128 + (name === 'SIGTERM' ? constants.signals.SIGTERM : name === 'SIGHUP' ? constants.signals.SIGHUP : constants.signals.SIGINT)
}

function errorObject(error: unknown): Record<string, unknown> {
  if (!(error instanceof MayflyError)) return { error: { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) } }
  return { error: { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }), ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }) } }
}
