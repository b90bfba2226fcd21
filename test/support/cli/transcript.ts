import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { node24, root } from '../product/process.ts'

/** One command of a transcript and what it must print: stdout, then stderr after `! `, then the exit code unless it is 0. */
export interface Step {
  readonly command: string
  readonly expected: string
}

/**
 * A transcript: comment lines and blank lines as they are, `$ command`, and below it what it prints. What differs from run to run
 * is written as `<uuid>`, `<serial>`, `<grant>`, `<time>`, `<span>`, `<port>`, `<hex>`, `<n>`.
 */
export function readTranscript(file: string): readonly (Step | string)[] {
  const parts: (Step | string)[] = []
  let step: { command: string; lines: string[] } | undefined
  const close = (): void => {
    if (step !== undefined) parts.push({ command: step.command, expected: step.lines.join('\n').trimEnd() })
    step = undefined
  }
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    if (line.startsWith('$ ')) {
      close()
      step = { command: line.slice(2), lines: [] }
    } else if (line.startsWith('#')) {
      close()
      parts.push(line)
    } else if (step !== undefined) step.lines.push(line)
  }
  close()
  return parts
}

/** Keeps what was really printed: `MAYFLY_UPDATE_TRANSCRIPTS=1`, then read the difference. */
export function writeTranscript(file: string, parts: readonly (Step | string)[]): void {
  const text = parts.map((part) => (typeof part === 'string' ? part : [`$ ${part.command}`, ...(part.expected === '' ? [] : [part.expected]), ''].join('\n')))
  writeFileSync(file, `${text.join('\n').trimEnd()}\n`)
}

/** A shell in which `mayfly` is the one of this source tree. */
export class Shell {
  readonly #cwd: string
  readonly #env: Readonly<Record<string, string>>

  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#cwd = folder
    const bin = join(folder, 'bin')
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, 'mayfly'), `#!/bin/sh\nexec "${node24}" "${join(root, 'src/cli/main.ts')}" "$@"\n`, { mode: 0o755 })
    this.#env = { ...env, PATH: `${bin}:${process.env['PATH'] ?? ''}`, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile') }
  }

  /** What a command prints, in the form of a transcript. */
  async run(command: string): Promise<string> {
    const { out, err, code } = await this.exec(command)
    const errors = err.trimEnd() === '' ? [] : err.trimEnd().split('\n').map((line) => `! ${line}`)
    return plain([...(out.trimEnd() === '' ? [] : [out.trimEnd()]), ...errors, ...(code === 0 ? [] : [`[${code}]`])].join('\n'))
  }

  async exec(command: string): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
    return new Promise((resolve) => {
      execFile('bash', ['-c', command], { cwd: this.#cwd, env: { ...process.env, ...this.#env } }, (error, out, err) => {
        resolve({ out, err, code: error === null ? 0 : Number(error.code ?? 255) })
      })
    })
  }
}

function plain(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(new RegExp(`\\buid([: ])${process.getuid?.() ?? 0}\\b`, 'g'), 'uid$1<me>')
    .replace(/\bbound by \w+/g, 'bound by <tier>')
    .replace(/(\bbound to the \w+ \(|, tier )\w+/g, '$1<tier>')
    .replace(/\b(process |why )\d+/g, '$1<pid>')
    .replace(/(^|[^\w.-])(?=[a-z]*\d)[0-9a-hjkmnp-tv-z]{26}\b/g, '$1<grant>')
    .replace(/\bSHA256:[\w+/]{43}/g, 'SHA256:<hash>')
    .replace(/mayfly-join:v1:[\w-]+/g, 'mayfly-join:v1:<secret>')
    .replace(/\b01[0-9a-f]{32}\b/g, '<serial>')
    .replace(/\b[0-9a-f]{64}\b/g, '<hex>')
    .replace(/\b[0-9a-f]{16}\b/g, '<hex>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
    .replace(/\b\d\d:\d\d:\d\d\.\d{3}\b/g, '<time>')
    .replace(/(stream )\d+\/\d+/g, '$1<n>/<n>')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:<port>')
    .replace(/\b(in |ends in |since |heard |up )(\d+(ms|[smhd]))+/g, '$1<span>')
    .replace(/\b(\d+(ms|[smhd]))+ ago\b/g, '<span> ago')
    .replace(/"(\w*AtMs|committedAtMs|epoch|streamSeq)":\d+/g, '"$1":<n>')
    .replace(/^(-----BEGIN [A-Z ]+-----)[\s\S]*?(-----END [A-Z ]+-----)$/gm, '$1…$2')
    .replace(/\/tmp\/mf-\w+/g, '<tmp>')
}
