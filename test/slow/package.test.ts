import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Program, root } from '../support/product/process.ts'

const older = olderNode()

/** The packed tarball as a user gets it: installed into an empty folder. */
describe('the packed tarball, installed into an empty folder', () => {
  let folder: string
  const bin = (): string => join(folder, 'node_modules/.bin/mayfly')
  const env = { ...process.env, PATH: [join(root, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter) }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mf-pack-'))
    const packed: unknown = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] }).replace(/^[^[]*(?=\[)/, ''))
    const [{ filename }] = packed as [{ filename: string }] // npm pack --json
    writeFileSync(join(folder, 'package.json'), '{"type":"module","private":true}\n')
    execFileSync('npm', ['install', '--no-fund', '--no-audit', '--prefer-offline', join(folder, filename)], { cwd: folder, stdio: 'ignore' })
  }, 300_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('gives a mayfly that says its version and its help', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string } // our own
    expect(execFileSync(bin(), ['--version'], { encoding: 'utf8', env })).toBe(`mayfly ${version}\n`)
    expect(execFileSync(bin(), ['--help'], { encoding: 'utf8', env })).toContain('usage: mayfly')
  })

  test('gives programs that import nothing of Node’s own, which would load all that its modules can give, and the licenses of what is put together', () => {
    const dist = join(folder, 'node_modules/mayfly/dist')
    const programs = globSync(['server/**/*.js', 'agent/**/*.js', 'src/cli/**/*.js'], { cwd: dist })
    expect(programs.length).toBeGreaterThan(50)
    const licenses = readFileSync(join(dist, 'third-party-licenses.txt'), 'utf8')
    for (const name of ['@peculiar/x509', '@grpc/grpc-js', 'pino', 'protobufjs']) expect(licenses).toMatch(new RegExp(`^${name} \\d`, 'm'))
    for (const file of [...programs, 'src/x509/peculiar/builder.js']) expect(readFileSync(join(dist, file), 'utf8'), file).not.toMatch(/^(import|export)\b[^;]*"node:/m)
  })

  test('gives a mayfly dev that serves, hands out an SVID and stops', async () => {
    const data = join(folder, 'data')
    await using dev = new Program(bin(), ['dev', '--json', '--data', data], { env, cwd: folder })
    await dev.event('serving')
    const cli = (...args: readonly string[]): string => execFileSync(bin(), args, { encoding: 'utf8', env: { ...env, MAYFLY_DATA: data } })
    cli('entry', 'create', '--id', '/packed', '-s', `unix:uid:${process.getuid?.() ?? 0}`)
    expect(cli('run', '--as', '/packed', '--', 'cat', '/proc/self/comm')).toBe('cat\n')
    expect(await dev.kill('SIGTERM')).toBe(0)
  })

  test('gives typed mayfly/verify and mayfly/client', () => {
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2022', lib: ['es2022', 'esnext.disposable', 'dom'], strict: true, noEmit: true, types: ['node'], typeRoots: [join(root, 'node_modules/@types')] }, files: ['use.ts'] }))
    writeFileSync(
      join(folder, 'use.ts'),
      `import { X509Source } from 'mayfly/client'
       import { memberOf, parseTrustDomain, verifyX509Svid, type Verdict } from 'mayfly/verify'
       const authorizer: (id: never) => boolean = memberOf(parseTrustDomain('example.org'))
       const verify: (...args: never) => Verdict = verifyX509Svid
       console.log(typeof X509Source, typeof authorizer, typeof verify)
       // @ts-expect-error: a trust domain is parsed, not any text
       memberOf('example.org')`,
    )
    const checked = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
    expect(checked.stdout).toBe('')
    expect(checked.status).toBe(0)
  })

  test.skipIf(older === '')('runs mayfly/verify and mayfly/client on Node 20, with nothing native and no polyfill loaded', () => {
    writeFileSync(
      join(folder, 'use.mjs'),
      `import { createRequire } from 'node:module'
       const verify = await import('mayfly/verify')
       const client = await import('mayfly/client')
       const heavy = Object.keys(createRequire(import.meta.url).cache).filter((file) => /node_modules\\/(koffi|@peculiar|reflect-metadata)\\//.test(file))
       console.log(JSON.stringify({ node: process.versions.node.split('.')[0], verify: typeof verify.verifyX509Svid, client: typeof client.X509Source, heavy }))`,
    )
    const said: unknown = JSON.parse(execFileSync(older, ['use.mjs'], { cwd: folder, encoding: 'utf8' }))
    expect(said).toMatchObject({ verify: 'function', client: 'object', heavy: [] })
  })

  test.skipIf(older === '')('says in two lines how to get a Node, on one that is too old', () => {
    const said = spawnSync(older, [bin(), '--help'], { encoding: 'utf8' })
    expect(said.status).toBe(1)
    expect(said.stderr.trimEnd().split('\n')).toHaveLength(2)
    expect(said.stderr).toMatch(/^mayfly: needs Node 24 or newer, and this is \d+\.\d+\.\d+\nhint: /)
  })
})

/** The machine's own Node, where it is one of those that services still run on; empty where it is not. */
function olderNode(): string {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((path) => join(path, 'node'))
    .find((path) => existsSync(path) && /^v2[0-3]\./.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout))
  return found ?? ''
}
