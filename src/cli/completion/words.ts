import { everywhere } from '../command.ts'
import type { OptionSpecs } from '../command.ts'
import type { Row } from '../row.ts'

/** What a shell offers after a command: its options, and whether each takes a value. */
export interface CommandWords {
  /** `entry create`. */
  readonly name: string
  readonly summary: string
  readonly options: readonly { readonly name: string; readonly short: string | undefined; readonly takes: 'nothing' | 'file' | 'text'; readonly help: string }[]
}

const fileValues = new Set(['FILE', 'PATH', 'DIR'])

/** Loads every command of the table: its options are what the scripts are made of. */
export async function wordsOf(table: readonly Row[]): Promise<readonly CommandWords[]> {
  return await Promise.all(
    table.map(async ({ name, summary, load }) => {
      const { command } = await load()
      const specs: OptionSpecs = { ...command.options, ...everywhere }
      const options = Object.entries(specs).map(([option, { type, value = '', short, help }]) => {
        const takes: CommandWords['options'][number]['takes'] = type === 'boolean' ? 'nothing' : fileValues.has(value) ? 'file' : 'text'
        return { name: option, short, takes, help }
      })
      return { name, summary, options }
    }),
  )
}

/** The first words there are, each with the second words that may follow it; a command of one word has none. */
export function tree(commands: readonly CommandWords[]): ReadonlyMap<string, readonly CommandWords[]> {
  const groups = new Map<string, CommandWords[]>()
  for (const command of commands) {
    const [first = ''] = command.name.split(' ')
    groups.set(first, [...(groups.get(first) ?? []), command])
  }
  return groups
}
