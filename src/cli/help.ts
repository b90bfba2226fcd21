import { everywhere } from './command.ts'
import type { Command, OptionSpec } from './command.ts'
import type { Row } from './row.ts'

/** `mayfly --help`, or that of a group such as `mayfly entry --help`. */
export function helpOfTable(rows: readonly Row[], group = ''): string {
  const width = Math.max(...rows.map((row) => row.name.length))
  const lines = rows.map((row) => `  ${row.name.padEnd(width)}  ${row.summary}`)
  return [
    group === '' ? 'mayfly: workload identities that end when the work does' : `mayfly ${group}`,
    '',
    `usage: mayfly ${group === '' ? '<command>' : `${group} <command>`} [options]`,
    '',
    ...lines,
    '',
    'Each command has --help, with examples, and --json.',
    'Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 unavailable.',
    ...(group === '' ? ['', 'Begin with: mayfly dev'] : []),
  ].join('\n')
}

export function helpOfCommand(name: string, command: Command): string {
  const specs: readonly [string, OptionSpec][] = Object.entries({ ...command.options, ...everywhere })
  const heads = specs.map(([option, spec]) => `${spec.short === undefined ? '    ' : `-${spec.short}, `}--${option}${spec.type === 'boolean' ? '' : ` ${spec.value ?? 'TEXT'}`}`)
  const width = Math.min(34, Math.max(...heads.map((head) => head.length)))
  const options = specs.map(([, spec], at) => `  ${(heads[at] ?? '').padEnd(width)}  ${spec.help}${spec.multiple === true ? ' (repeatable)' : ''}`)
  return [
    `usage: mayfly ${name} [options]${command.arguments === undefined ? '' : ` ${command.arguments}`}`,
    '',
    command.about,
    '',
    'Options:',
    ...options,
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
  ].join('\n')
}
