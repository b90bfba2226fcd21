import { join } from 'node:path'
import { node24, Program, root } from '../product/process.ts'
import type { JsonLine } from '../product/process.ts'

/** A workload process and what the Workload API told it so far, read in order. */
export class WorkloadProcess implements AsyncDisposable {
  readonly program: Program
  #read = 0

  private constructor(program: Program) {
    this.program = program
  }

  static start(socket: string, options: { readonly uid?: number; readonly once?: boolean } = {}): WorkloadProcess {
    const { uid } = options
    const program = new Program(node24, [join(root, 'test/support/agent/workload-client.ts'), socket, ...(options.once === true ? ['once'] : [])], uid === undefined ? {} : { uid, gid: uid })
    return new WorkloadProcess(program)
  }

  /** The next line for which it holds; those before are passed over. */
  async next(wanted: (line: JsonLine) => boolean): Promise<JsonLine> {
    const line = await this.program.line(wanted, this.#read)
    this.#read = this.program.lines.indexOf(line) + 1
    return line
  }

  async svids(wanted: (line: JsonLine) => boolean = () => true): Promise<{ readonly ids: readonly string[]; readonly serials: readonly string[]; readonly hints: readonly string[]; readonly notAfterMs: readonly number[]; readonly atMs: number }> {
    const line = await this.next((found) => found['event'] === 'svids' && wanted(found))
    return line as unknown as Awaited<ReturnType<WorkloadProcess['svids']>> // workload-client.ts wrote it
  }

  async failure(code: string): Promise<JsonLine> {
    return await this.next((line) => line['event'] === 'failed' && line['code'] === code)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.kill()
  }
}
