import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../product/process.ts'

export interface GoWorkload extends Disposable {
  /** The program, of test/interop/go. */
  readonly path: string
}

/** Builds the workload with the machine's Go; `undefined` where there is none. */
export function buildGoWorkload(): GoWorkload | undefined {
  try {
    execFileSync('go', ['version'], { stdio: 'pipe' })
  } catch {
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'mf-go-'))
  execFileSync('go', ['build', '-o', join(folder, 'workload'), '.'], { cwd: join(root, 'test/interop/go'), stdio: 'pipe', env: { ...process.env, CGO_ENABLED: '0' } })
  return { path: join(folder, 'workload'), [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
