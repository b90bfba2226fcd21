import { tree } from './words.ts'
import type { CommandWords } from './words.ts'

/** A completion script for bash 4 and newer. */
export function bashScript(commands: readonly CommandWords[]): string {
  const groups = [...tree(commands)]
  const seconds = groups.filter(([first, rows]) => rows.some(({ name }) => name !== first))
  const files = [...new Set(commands.flatMap(({ options }) => options.filter(({ takes }) => takes === 'file').map(({ name }) => `--${name}`)))]
  const texts = [...new Set(commands.flatMap(({ options }) => options.filter(({ takes }) => takes === 'text').map(({ name }) => `--${name}`)))].filter((name) => !files.includes(name))
  return `# bash completion of mayfly: source it, or keep it as /etc/bash_completion.d/mayfly
_mayfly() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    # what follows -- is another program's
    if [[ \${COMP_WORDS[at]} == -- ]]; then mapfile -t COMPREPLY < <(compgen -c -f -- "$cur"); return; fi
  done
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${groups.map(([first]) => first).join(' ')} help version --help --version' -- "$cur")); return
  fi
  case $prev in
    ${files.join('|')}) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    ${texts.join('|')}) return ;;
  esac
  if ((COMP_CWORD == 2)); then
    case \${COMP_WORDS[1]} in
${seconds.map(([first, rows]) => `      ${first}) COMPREPLY=($(compgen -W '${rows.flatMap(({ name }) => name.split(' ').slice(1, 2)).join(' ')} --help' -- "$cur")); return ;;`).join('\n')}
    esac
  fi
  case "\${COMP_WORDS[1]} \${COMP_WORDS[2]-}" in
${commands.map(({ name, options }) => `    '${name}'${name.includes(' ') ? '' : `' '*`}) COMPREPLY=($(compgen -W '${options.map((option) => `--${option.name}`).join(' ')}' -- "$cur")) ;;`).join('\n')}
  esac
  # arguments may be files: certificates, entries
  [[ $cur == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _mayfly mayfly
`
}
