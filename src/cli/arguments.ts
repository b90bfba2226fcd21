import { parseArgs } from 'node:util'

import { MayflyError } from '../core/errors.ts'
import { everywhere } from './command.ts'
import type { Command, Input, OptionSpecs } from './command.ts'

/** What was typed, by the command's own table. @throws {MayflyError} USAGE */
export function parse(name: string, command: Command, args: readonly string[]): Input {
  const dashes = args.indexOf('--')
  const own = dashes < 0 ? args : args.slice(0, dashes)
  const specs: OptionSpecs = { ...command.options, ...everywhere }
  const { values, positionals } = parseOrSay(name, own, specs)
  const [least, most] = command.positionals ?? [0, 0]
  const asksHelp = values['help'] === true
  if (!asksHelp && positionals.length < least) throw usage(name, command.arguments === undefined ? 'an argument is missing' : `${command.arguments} is missing`)
  if (positionals.length > most) throw usage(name, `${JSON.stringify(positionals[most])} is one argument too many`)
  const options = Object.fromEntries(Object.entries(specs).map(([option, spec]) => [option, values[option] ?? (spec.type === 'boolean' ? false : spec.multiple === true ? [] : undefined)]))
  return { options: options as Input['options'], positionals, rest: dashes < 0 ? [] : args.slice(dashes + 1) } // made by the same specs that type it
}

/** USAGE, with where to read on. */
export function usage(name: string, what: string, hint = `mayfly ${name} --help shows how it is written`): MayflyError {
  return new MayflyError('USAGE', what, { hint })
}

function parseOrSay(name: string, args: readonly string[], specs: Command['options']): { values: Record<string, unknown>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(specs).map(([option, { type, short, multiple }]) => [option, { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) }]),
  )
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (cause) {
    const [text = ''] = (cause instanceof Error ? cause.message : String(cause)).split(/\.\s|\n/)
    throw usage(name, text.replace(/\.$/, '').replace(/^./, (letter) => letter.toLowerCase()))
  }
}
