import { existsSync } from 'node:fs'
import process from 'node:process'
import { readConfigText } from './main-process.ts'

/** A join line has some hundred characters. */
const maxLength = 65_536

/**
 * The files that join lines are in, each read once: a file may be gone, and standard input has no more to say, when the configuration is read again.
 * What comes on standard input (`-`) is waited for in {@link hear} alone: who writes it may have to wait for the server first.
 */
export class JoinFiles {
  readonly #texts = new Map<string, string | undefined>()
  readonly #firstLine: boolean
  #wantsStdin = false

  /** @param firstLine of standard input, which stays open: an empty one says that there is no join line. Otherwise all of it. */
  constructor({ firstLine }: { readonly firstLine: boolean }) {
    this.#firstLine = firstLine
  }

  /** `undefined`: the file is not there, or standard input was not heard yet. @throws {MayflyError} CONFIG_INVALID */
  read(path: string): string | undefined {
    if (path === '-') this.#wantsStdin = true
    else if (!this.#texts.has(path)) this.#texts.set(path, existsSync(path) ? readConfigText(path) : undefined)
    return this.#texts.get(path)
  }

  /** Waits for standard input, when that was asked for. Resolves with whether there is more to read than before. */
  async hear(): Promise<boolean> {
    if (!this.#wantsStdin || this.#texts.has('-')) return false
    const text = await textOfStdin(this.#firstLine)
    this.#texts.set('-', this.#firstLine && text === '' ? undefined : text)
    return true
  }
}

/** All of it, or its first line, after which it is left open for others to watch. */
async function textOfStdin(firstLine: boolean): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.length > maxLength || (firstLine && text.includes('\n'))) break
  }
  return firstLine ? (text.split('\n', 1)[0] ?? '') : text
}
