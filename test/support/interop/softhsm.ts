import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../product/process.ts'

const cache = join(root, 'node_modules/.cache')
const debs = join(cache, 'softhsm')
const packages = join(cache, 'pkcs11')
const version = '2.3.6'

/** SoftHSM, and the package graphene-pk11 compiled for this Node. */
export interface SoftHsm {
  /** Path of its PKCS#11 module. */
  readonly module: string
  /** Folder for NODE_PATH. */
  readonly nodePath: string
  /** Makes a token in a folder of its own, which the returned environment names. */
  makeToken(folder: string, label: string, pin: string): { readonly SOFTHSM2_CONF: string; readonly NODE_PATH: string }
}

/** Debian's SoftHSM and the package from the registry, unpacked and compiled below node_modules as any user may; else why there is none. */
export function softHsm(): SoftHsm | { readonly missing: string } {
  const paths = modulePaths()
  if ('missing' in paths) return paths
  const compiled = graphene()
  if (compiled !== undefined) return { missing: compiled }
  const { module, util } = paths
  const nodePath = join(packages, 'node_modules')
  return {
    module,
    nodePath,
    makeToken(folder, label, pin) {
      const tokens = join(folder, 'tokens')
      const conf = join(folder, 'softhsm2.conf')
      mkdirSync(tokens, { recursive: true })
      writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
      const made = spawnSync(util, ['--module', module, '--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', `${pin}-so`], { env: { ...process.env, SOFTHSM2_CONF: conf }, encoding: 'utf8' })
      if (made.status !== 0) throw new Error(`no token was made: ${made.stderr}`)
      return { SOFTHSM2_CONF: conf, NODE_PATH: nodePath }
    },
  }
}

function modulePaths(): { readonly module: string; readonly util: string } | { readonly missing: string } {
  const installed = { module: '/usr/lib/softhsm/libsofthsm2.so', util: '/usr/bin/softhsm2-util' }
  if (existsSync(installed.module) && existsSync(installed.util)) return installed
  const unpacked = { module: join(debs, 'usr/lib/softhsm/libsofthsm2.so'), util: join(debs, 'usr/bin/softhsm2-util') }
  if (existsSync(unpacked.module) && existsSync(unpacked.util)) return unpacked
  if (spawnSync('apt-get', ['--version']).error !== undefined || spawnSync('dpkg', ['--version']).error !== undefined) return { missing: 'SoftHSM is not installed, and this is no Debian to have it from' }
  mkdirSync(debs, { recursive: true })
  const fetched = spawnSync('apt-get', ['download', 'softhsm2', 'libsofthsm2'], { cwd: debs, encoding: 'utf8', timeout: 60_000 })
  for (const archive of readdirSync(debs).filter((name) => name.endsWith('.deb'))) spawnSync('dpkg', ['-x', archive, '.'], { cwd: debs })
  if (!existsSync(unpacked.module) || !existsSync(unpacked.util)) return { missing: `SoftHSM is not installed and could not be had: ${lastLine(fetched.stderr)}` }
  const works = spawnSync(unpacked.util, ['--version'], { encoding: 'utf8' })
  return works.status === 0 ? unpacked : { missing: `Debian's SoftHSM does not run here: ${lastLine(works.stderr)}` }
}

/** Why graphene-pk11 is not there; it compiles with a C++ compiler and Python. */
function graphene(): string | undefined {
  if (loads()) return undefined
  mkdirSync(packages, { recursive: true })
  // npm runs the scripts of those packages alone that are named here: pkcs11js compiles itself
  writeFileSync(join(packages, 'package.json'), JSON.stringify({ private: true, dependencies: { 'graphene-pk11': version }, allowScripts: { pkcs11js: true } }))
  const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` }
  const installed = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: packages, env, encoding: 'utf8', timeout: 240_000 })
  return loads() ? undefined : `graphene-pk11 could not be compiled here: ${lastLine(installed.stderr)}`
}

function loads(): boolean {
  return existsSync(join(packages, 'node_modules/graphene-pk11')) && spawnSync(process.execPath, ['-e', "require('graphene-pk11')"], { cwd: packages }).status === 0
}

function lastLine(text: string | null): string {
  return text?.trim().split('\n').at(-1) ?? 'no word'
}
