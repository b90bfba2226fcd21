import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../product/process.ts'

/**
 * A file of a Debian package, from the package as it is on the mirrors, unpacked below node_modules as any user may: nothing is installed.
 * Else why it is not to be had.
 * @param file its path in the package, without the first slash; one `*` stands for a folder of the architecture
 */
export function debianFile(name: string, file: string): { readonly path: string } | { readonly missing: string } {
  const folder = join(root, 'node_modules/.cache/debian', name)
  const there = found(folder, file)
  if (there !== undefined) return { path: there }
  if (spawnSync('apt-get', ['--version']).error !== undefined || spawnSync('dpkg', ['--version']).error !== undefined) return { missing: `this is no Debian to have ${name} from` }
  mkdirSync(folder, { recursive: true })
  const fetched = spawnSync('apt-get', ['download', name], { cwd: folder, encoding: 'utf8', timeout: 60_000 })
  const archive = readdirSync(folder).find((each) => each.endsWith('.deb'))
  if (archive === undefined) return { missing: `${name} could not be had: ${lastLine(fetched.stderr)}` }
  const unpacked = spawnSync('dpkg', ['-x', archive, '.'], { cwd: folder, encoding: 'utf8' })
  const path = found(folder, file)
  return path === undefined ? { missing: `${name} could not be unpacked: ${lastLine(unpacked.stderr)}` } : { path }
}

function found(folder: string, file: string): string | undefined {
  const [before = '', after] = file.split('*')
  if (after === undefined) return existsSync(join(folder, file)) ? join(folder, file) : undefined
  if (!existsSync(join(folder, before))) return undefined
  return readdirSync(join(folder, before)).map((each) => join(folder, before, each, after)).find(existsSync)
}

function lastLine(text: string | null): string {
  return text?.trim().split('\n').at(-1) ?? 'no word'
}
