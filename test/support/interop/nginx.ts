import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../product/process.ts'

const folder = join(root, 'node_modules/.cache/nginx')

/** Where an nginx is: named by MAYFLY_NGINX, on the PATH, or Debian's, unpacked below node_modules as any user may; else why there is none. */
export function nginxProgram(): { readonly path: string } | { readonly missing: string } {
  for (const path of [process.env['MAYFLY_NGINX'], 'nginx', join(folder, 'usr/sbin/nginx')]) if (path !== undefined && runs(path)) return { path }
  if (spawnSync('apt-get', ['--version']).error !== undefined || spawnSync('dpkg', ['--version']).error !== undefined) return { missing: 'nginx is not installed, and this is no Debian to have it from' }
  mkdirSync(folder, { recursive: true })
  const fetched = spawnSync('apt-get', ['download', 'nginx'], { cwd: folder, encoding: 'utf8', timeout: 60_000 })
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'))
  if (archive === undefined) return { missing: `nginx is not installed and could not be had: ${lastLine(fetched.stderr)}` }
  const unpacked = spawnSync('dpkg', ['-x', archive, '.'], { cwd: folder, encoding: 'utf8' })
  const path = join(folder, 'usr/sbin/nginx')
  if (!existsSync(path)) return { missing: `Debian's nginx could not be unpacked: ${lastLine(unpacked.stderr)}` }
  return runs(path) ? { path } : { missing: `Debian's nginx does not run here: ${lastLine(spawnSync(path, ['-v'], { encoding: 'utf8' }).stderr)}` }
}

function runs(path: string): boolean {
  return spawnSync(path, ['-v']).status === 0
}

function lastLine(text: string | null): string {
  return text?.trim().split('\n').at(-1) ?? 'no word'
}
