import type { Context } from './context.ts'

/** An option as `node:util` parseArgs takes it, with what the help says of it. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given more than once. */
  readonly multiple?: boolean
  /** What stands for the value in the help: `ID`, `5m`. */
  readonly value?: string
  readonly help: string
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

type ValueOf<Spec extends OptionSpec> = Spec['type'] extends 'boolean' ? boolean : Spec extends { readonly multiple: true } ? readonly string[] : string | undefined

export type ValuesOf<Specs extends OptionSpecs> = { readonly [Name in keyof Specs]: ValueOf<Specs[Name]> }

/** What was typed after the command's name. */
export interface Input<Specs extends OptionSpecs = OptionSpecs> {
  readonly options: ValuesOf<Specs & typeof everywhere>
  readonly positionals: readonly string[]
  /** What follows `--`. */
  readonly rest: readonly string[]
}

/** One command: a row of the table that help, completion and parsing are made from. */
export interface Command<Specs extends OptionSpecs = OptionSpecs> {
  /** Its positional arguments as the usage line shows them: `<id>`, `[file]`, `-- <command>`. */
  readonly arguments?: string
  /** What it does, in the help of the command: a few lines. */
  readonly about: string
  readonly options: Specs
  readonly examples: readonly string[]
  /** Least and most positional arguments; none when unset. */
  readonly positionals?: readonly [least: number, most: number]
  /** Resolves with the exit code, 0 when it resolves with nothing. @throws {MayflyError} printed as two lines; its code decides the exit code */
  run(input: Input<Specs>, context: Context): Promise<number | void>
}

/** Options that every command has. */
export const everywhere = {
  json: { type: 'boolean', help: 'print JSON: one value, or one a line where it goes on' },
  help: { type: 'boolean', short: 'h', help: 'print this' },
} as const

export const serverSocket = {
  'server-socket': { type: 'string', value: 'PATH', help: "the server's admin socket; $MAYFLY_SERVER_SOCKET, else DATA/server/admin.sock" },
} as const

export const agentSocket = {
  'agent-socket': { type: 'string', value: 'PATH', help: "the agent's admin socket; $MAYFLY_AGENT_SOCKET, else DATA/agent/admin.sock" },
} as const

/** Where `mayfly dev` keeps what it made. Not on commands whose --data is a file of entries, as in SPIRE. */
export const dataFolder = {
  data: { type: 'string', value: 'DIR', help: 'the data folder of mayfly dev; $MAYFLY_DATA, else ./.mayfly' },
} as const

/** Keeps the types of a command's options while it is written, and lets the table hold commands of every shape. */
export function define<const Specs extends OptionSpecs>(command: Command<Specs>): Command {
  return command // a method's parameters may vary: parse() in arguments.ts makes the values by the same specs, so run() gets what it is typed for
}
