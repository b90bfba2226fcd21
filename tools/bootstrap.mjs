#!/usr/bin/env node
// Runs a command of this repository on the Node it brings along, and installs first what is missing. Plain JavaScript for
// any Node from 18 on, because it is what a fresh clone starts with.
//
//   node tools/bootstrap.mjs <script.ts> [arguments]
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const wantedMajor = 24
const lock = join(root, 'package-lock.json')
const installedLock = join(root, 'node_modules', '.package-lock.json')
const broughtNode = join(root, 'node_modules', '.bin', 'node')

if (!isInstalled()) install()
run(nodeToUse(), process.argv.slice(2))

/** Whether node_modules holds what package-lock.json names; a lock that is merely newer than the folder is read and compared. */
function isInstalled() {
  if (!existsSync(installedLock)) return false
  if (statSync(installedLock).mtimeMs >= statSync(lock).mtimeMs) return true
  const wanted = JSON.parse(readFileSync(lock, 'utf8')).packages
  const present = JSON.parse(readFileSync(installedLock, 'utf8')).packages
  for (const [path, entry] of Object.entries(wanted)) {
    if (path !== '' && present[path] === undefined && !entry.optional) return false
    if (present[path] !== undefined && present[path].integrity !== entry.integrity) return false
  }
  const now = new Date()
  utimesSync(installedLock, now, now)
  return true
}

function install() {
  console.error('mayfly: installing what package-lock.json names (once; about half a minute)')
  const npm = process.env.npm_execpath
  const flags = ['ci', '--no-fund', '--no-audit', '--loglevel=error', '--no-progress']
  const options = { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }
  const done =
    npm !== undefined && /\.c?js$/.test(npm) ? spawnSync(process.execPath, [npm, ...flags], options) : spawnSync('npm', flags, options)
  if (done.status !== 0) fail('npm ci failed', 'run npm ci by hand to see all it says; it needs a package registry within reach')
}

/** The Node in node_modules; where its install script was not allowed to run, the machine's own if it will do. */
function nodeToUse() {
  if (spawnSync(broughtNode, ['--version'], { stdio: 'ignore' }).status === 0) return broughtNode
  if (Number(process.versions.node.split('.')[0]) >= wantedMajor) return process.execPath
  return fail(`node_modules has no Node ${wantedMajor}, and this one is ${process.versions.node}`, 'npm rebuild node, or install Node 24 or newer')
}

/** Hands over arguments, signals and the exit code; `node` is the same one for whatever the command starts. */
function run(node, args) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter)
  // From the source tree even the first file is TypeScript: with this it is stripped once and not at each start.
  const cache = args[0]?.startsWith('src/cli/') ? { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'compile') } : {}
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, ...cache, PATH: path } })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    process.on(signal, () => {
      // Ctrl-C at a terminal has reached the child already
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on('error', (error) => fail(`cannot start ${node}: ${error.message}`, 'rm -r node_modules and try again'))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

function fail(what, hint) {
  console.error(`mayfly: ${what}\nhint: ${hint}`)
  process.exit(1)
}
