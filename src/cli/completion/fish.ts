import { tree } from './words.ts'
import type { CommandWords } from './words.ts'

/** The words of a command are the first ones: `run` is not `server run`. What follows -- is another program's. */
const header = `# fish completion of mayfly: keep it as ~/.config/fish/completions/mayfly.fish
function __mayfly_first
  test (count (commandline -opc)) -eq 1
end
function __mayfly_second
  set -l words (commandline -opc)
  test (count $words) -eq 2; and test "$words[2]" = "$argv[1]"
end
function __mayfly_is
  set -l words (commandline -opc)
  set -l last (math 1 + (count $argv))
  not contains -- -- $words; and test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"
end`

/** A completion script for fish. */
export function fishScript(commands: readonly CommandWords[]): string {
  const lines = [header]
  for (const [first, rows] of tree(commands)) {
    const own = rows.find(({ name }) => name === first)
    lines.push(`complete -c mayfly -f -n __mayfly_first -a ${first} -d ${quoted(own?.summary ?? rows.map(({ name }) => name.split(' ')[1] ?? '').join(', '))}`)
    const seconds = rows.filter(({ name }) => name !== first)
    for (const { name, summary } of seconds) {
      const [, second = ''] = name.split(' ')
      lines.push(`complete -c mayfly -f -n '__mayfly_second ${first}' -a ${second} -d ${quoted(summary)}`)
    }
    for (const command of rows) for (const option of command.options) lines.push(optionLine(command.name, option))
  }
  return `${lines.join('\n')}\n`
}

function optionLine(command: string, { name, short, takes, help }: CommandWords['options'][number]): string {
  return `complete -c mayfly -n '__mayfly_is ${command}' -l ${name}${short === undefined ? '' : ` -s ${short}`}${takes === 'file' ? ' -r -F' : takes === 'text' ? ' -x' : ''} -d ${quoted(help)}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
