import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { runCommand } from './run-command.ts'

/** How posture probes look at this machine. */
export interface ProbeSenses {
  digest(path: string): Promise<string>
  run(argv: readonly string[], limitMs: number, signal: AbortSignal): Promise<number>
  kernel(key: string): Promise<string>
}

export const probeSenses: ProbeSenses = {
  digest: async (path) => {
    const hash = createHash('sha256')
    for await (const part of createReadStream(path) as AsyncIterable<Buffer>) hash.update(part) // without an encoding, parts are Buffers
    return hash.digest('hex')
  },
  run: runCommand,
  /** As sysctl reads it: dots are folders of /proc/sys. */
  kernel: async (key) => (await readFile(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8')).trim(),
}
