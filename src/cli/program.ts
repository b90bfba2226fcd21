import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'

/** Exit codes of a program that was never run, as every shell has them. */
export const notRun = { missing: 127, unusable: 126 } as const

/** Why a program cannot be run, as far as can be seen before it is. */
export interface NotRun {
  readonly exitCode: (typeof notRun)[keyof typeof notRun]
  /** Two lines for a person. */
  readonly text: string
}

/** Looks for a program as a shell does: a name with a slash is a path, any other is looked for in the folders of `PATH`. `undefined` when it is there and may be executed. */
export function whyNotRun(program: string, searchPath: string = process.env['PATH'] ?? ''): NotRun | undefined {
  const paths = program.includes('/') ? [program] : program === '' ? [] : searchPath.split(':').map((folder) => join(folder === '' ? '.' : folder, program))
  const there = paths.filter((path) => kindOf(path) === 'file')
  if (there.some(mayExecute)) return undefined
  if (there.length > 0 || (program.includes('/') && kindOf(program) !== undefined)) return whyOf('unusable', program)
  return whyOf('missing', program)
}

/** The same of a program that the system refused to start, by its error's code. */
export function whyNotStarted(program: string, error: unknown): NotRun {
  return whyOf(error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'missing' : 'unusable', program)
}

function whyOf(kind: keyof typeof notRun, program: string): NotRun {
  const [what, hint] = kind === 'missing' ? ['there is no such program', 'is it on the PATH, and its interpreter installed?'] : ['it cannot be executed', 'is it a program, and this user’s to execute?']
  return { exitCode: notRun[kind], text: `mayfly: cannot run ${program}: ${what}\nhint: ${hint}` }
}

/** `undefined`: nothing is there. A folder that this user may not look into (`hidden`) keeps nobody from the next one of the `PATH`. */
function kindOf(path: string): 'file' | 'other' | 'hidden' | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : stat.isFile() ? 'file' : 'other'
  } catch {
    return 'hidden'
  }
}

function mayExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
