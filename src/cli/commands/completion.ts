import { usage } from '../arguments.ts'
import { define } from '../command.ts'
import type { Command } from '../command.ts'
import type { Row } from '../row.ts'

/** The command that completes this table, of which it is a row itself. */
export function completionOf(table: readonly Row[]): Command {
  return define({
    arguments: '<bash | zsh | fish>',
    about: 'Prints a script that lets a shell complete commands and options, made of the same table as the help.',
    options: {},
    positionals: [1, 1],
    examples: ['mayfly completion bash > /etc/bash_completion.d/mayfly', "mayfly completion zsh > '/usr/local/share/zsh/site-functions/_mayfly'", 'mayfly completion fish > ~/.config/fish/completions/mayfly.fish'],
    async run({ positionals: [shell = ''] }, { output }) {
      const { wordsOf } = await import('../completion/words.ts')
      const commands = await wordsOf(table)
      switch (shell) {
        case 'bash':
          return output.raw((await import('../completion/bash.ts')).bashScript(commands))
        case 'zsh':
          return output.raw((await import('../completion/zsh.ts')).zshScript(commands))
        case 'fish':
          return output.raw((await import('../completion/fish.ts')).fishScript(commands))
        default:
          throw usage('completion', `no completion for ${JSON.stringify(shell)}`)
      }
    },
  })
}
