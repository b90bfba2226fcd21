import { tree } from './words.ts'
import type { CommandWords } from './words.ts'

/** A completion script for fish. */
export function fishScript(commands: readonly CommandWords[]): string {
  const lines = ['# fish completion of mayfly: keep it as ~/.config/fish/completions/mayfly.fish', 'complete -c mayfly -f']
  for (const [first, rows] of tree(commands)) {
    const own = rows.find(({ name }) => name === first)
    lines.push(`complete -c mayfly -n __fish_use_subcommand -a ${first} -d ${quoted(own?.summary ?? rows.map(({ name }) => name.split(' ')[1] ?? '').join(', '))}`)
    const seconds = rows.filter(({ name }) => name !== first)
    const names = seconds.map(({ name }) => name.split(' ')[1] ?? '')
    for (const { name, summary } of seconds) {
      const [, second = ''] = name.split(' ')
      lines.push(`complete -c mayfly -n '__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${names.join(' ')}' -a ${second} -d ${quoted(summary)}`)
    }
    for (const command of rows) for (const option of command.options) lines.push(optionLine(command.name, option))
  }
  return `${lines.join('\n')}\n`
}

function optionLine(command: string, { name, short, takes, help }: CommandWords['options'][number]): string {
  const seen = command.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
  return `complete -c mayfly -n '${seen}' -l ${name}${short === undefined ? '' : ` -s ${short}`}${takes === 'file' ? ' -r -F' : takes === 'text' ? ' -x' : ''} -d ${quoted(help)}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
