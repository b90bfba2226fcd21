import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { root } from './process.ts'

/** The last commit of the version before this one: its agents and servers are out there. */
export const olderCommit = '304887076e4a08c03c446194f79a4fb8905d0c8f'

/** A source tree of an older version, from the history of this repository; `undefined` where that was not fetched, as in a shallow clone. */
export function olderTree(commit: string = olderCommit): { readonly path: string; readonly [Symbol.dispose]: () => void } | undefined {
  if (spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root }).status !== 0) return undefined
  const path = mkdtempSync(join(tmpdir(), 'mf-old-'))
  const archive = execFileSync('git', ['archive', '--format=tar', commit, 'package.json', 'src', 'server', 'agent', 'proto', 'certs'], { cwd: root, maxBuffer: 256 * 1024 * 1024 })
  execFileSync('tar', ['-x', '-C', path], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
