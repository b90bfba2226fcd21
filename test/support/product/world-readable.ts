import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../../..')
const parts = ['package.json', 'src', 'proto', 'certs', 'test', 'node_modules']
let copy: string | undefined

/**
 * What a test gives another user to run: the text with each path below the repository led to where that user can read it. That is the repository itself,
 * unless it lies in a folder of its owner's alone (a temporary folder, a home): then hard links to it, or copies, made once a process.
 */
export function worldReadable(text: string): string {
  if (!text.includes(root)) return text
  if (copy === undefined) copy = reachable(root) ? root : linked()
  return text.replaceAll(root, copy)
}

function reachable(path: string): boolean {
  return (statSync(path).mode & 0o001) !== 0 && (path === '/' || reachable(dirname(path)))
}

function linked(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mf-all-'))
  chmodSync(folder, 0o755)
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const from = parts.map((part) => join(root, part))
  try {
    execFileSync('cp', ['-al', ...from, folder], { stdio: 'ignore' })
  } catch {
    execFileSync('cp', ['-a', ...from, folder]) // another file system
  }
  return folder
}
