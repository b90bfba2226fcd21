import type { Command } from './command.ts'

/** A command by name; its file is loaded only when it is the one that was asked for. */
export interface Row {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<{ readonly command: Command }>
}
