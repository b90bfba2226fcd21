import { tree } from './words.ts'
import type { CommandWords } from './words.ts'

/** A completion script for zsh: `_mayfly` in a folder of $fpath. */
export function zshScript(commands: readonly CommandWords[]): string {
  const groups = [...tree(commands)]
  const seconds = groups.filter(([first, rows]) => rows.some(({ name }) => name !== first))
  return `#compdef mayfly
# zsh completion of mayfly: keep it as _mayfly in a folder of $fpath
_mayfly() {
  local -a words_
  if ((CURRENT == 2)); then
    words_=(${groups.map(([first, rows]) => quoted(`${first}:${rows.length === 1 && rows[0]?.name === first ? rows[0].summary : rows.map(({ name }) => name.split(' ')[1] ?? '').join(', ')}`)).join(' ')})
    _describe 'command' words_
    return
  fi
  if ((CURRENT == 3)); then
    case $words[2] in
${seconds.map(([first, rows]) => `      ${first}) words_=(${rows.map(({ name, summary }) => quoted(`${name.split(' ')[1] ?? ''}:${summary}`)).join(' ')}); _describe 'command' words_; return ;;`).join('\n')}
    esac
  fi
  case "$words[2] $words[3]" in
${commands.map((command) => `    ${quoted(command.name)}${command.name.includes(' ') ? '' : `' '*`}) _arguments ${optionsOf(command)} '*:argument:_files' ;;`).join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _mayfly "$@"; else compdef _mayfly mayfly; fi
`
}

function optionsOf({ options }: CommandWords): string {
  return options.map(({ name, takes, help }) => quoted(`*--${name}[${help.replaceAll(/[[\]]/g, '').replaceAll(':', '\\:')}]${takes === 'nothing' ? '' : takes === 'file' ? ':file:_files' : ':value: '}`)).join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
