import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** What a folder may import: folders of ours (longest match decides), packages, and whether `node:*`. The longest matching folder's rule counts. */
interface Rule {
  readonly may: readonly string[]
  readonly packages?: readonly string[]
  readonly node?: boolean
  readonly why: string
}

const rules: Readonly<Record<string, Rule>> = {
  'src/core': { may: ['src/core'], why: 'pure values and decisions: no I/O, no clock, no randomness, no packages' },
  'src/ports': { may: ['src/core', 'src/ports'], why: 'interfaces only, so that everything above can be tested with a fake clock' },
  'src/system': { may: ['src/core', 'src/ports', 'src/system'], packages: ['koffi', 'pino'], node: true, why: 'the only real clock, randomness, files, processes and native calls' },
  'src/x509': { may: ['src/core', 'src/ports', 'src/x509'], node: true, why: 'the parser and the hot path are in every service that embeds the verifier: nothing heavy' },
  'src/x509/peculiar': { may: ['src/core', 'src/ports', 'src/x509'], packages: ['@peculiar/x509', '@peculiar/webcrypto', 'reflect-metadata'], node: true, why: 'the slow path and oracle, the only importer of @peculiar; runs in a worker' },
  'src/rpc': { may: ['src/core', 'src/ports', 'src/rpc', 'proto'], packages: ['@grpc/grpc-js', 'protobufjs'], node: true, why: 'the only importer of @grpc, so that its version can be pinned and its traps held in one place' },
  'src/config': { may: ['src/core', 'src/ports', 'src/config'], packages: ['yaml'], node: true, why: 'text in, checked values out; the package is loaded when a file is read' },
  'src/metrics': { may: ['src/core', 'src/ports', 'src/config', 'src/rpc', 'src/metrics'], node: true, why: 'figures and probes; servers and agents bring what is measured' },
  'src/policy': { may: ['src/core', 'src/policy'], packages: ['@cedar-policy/cedar-wasm/nodejs'], node: true, why: 'the only importer of Cedar, and only when a policy is first needed' },
  'src/ssh': { may: ['src/core', 'src/ssh'], node: true, why: 'keys and signatures of people: hostile bytes in, parsed values out' },
  'src/attest': { may: ['src/core', 'src/ssh', 'src/attest'], node: true, why: 'messages of strangers, the same on both sides: bytes in, parsed values out' },
  'src/tracing': { may: ['src/core', 'src/ports', 'src/rpc', 'src/tracing'], node: true, why: 'spans and their export; servers and agents say what is traced' },
  'src/verify': { may: ['src/core', 'src/ports', 'src/x509', 'src/metrics/exposition.ts', 'src/metrics/verifier-catalogue.ts', 'src/verify'], node: true, why: 'embedded in services on Node 20: nothing native, no polyfill' },
  'src/client': { may: ['src/core', 'src/ports', 'src/x509', 'src/verify', 'src/rpc', 'src/client', 'proto'], node: true, why: 'embedded in services on Node 20: nothing native, no polyfill' },
  'src/cli': { may: ['src', 'proto'], packages: ['yaml'], node: true, why: 'talks to server and agent over their sockets and starts them as processes; imports neither' },
  server: { may: ['src/core', 'src/attest', 'src/tracing', 'src/ports', 'src/x509', 'src/rpc', 'src/config', 'src/metrics', 'src/policy', 'src/ssh', 'src/verify', 'server', 'proto', 'certs'], node: true, why: 'never the agent; the system only through its main' },
  agent: { may: ['src/core', 'src/attest', 'src/ssh', 'src/tracing', 'src/ports', 'src/x509', 'src/rpc', 'src/config', 'src/metrics', 'src/policy', 'src/verify', 'src/client', 'agent', 'proto'], node: true, why: 'never the server; the system only through its main' },
  'server/ca/pkcs11': { may: ['src/core', 'src/x509', 'server/ca'], packages: ['graphene-pk11'], node: true, why: 'the only one that speaks to a token; the package is an optional peer, loaded in a thread' },
  'server/main.ts': { may: ['src', 'server', 'proto'], node: true, why: 'a main wires the real system in' },
  'server/recovery/main.ts': { may: ['src', 'server', 'proto'], node: true, why: 'a main wires the real system in' },
  'agent/main.ts': { may: ['src', 'agent', 'proto'], node: true, why: 'a main wires the real system in' },
  'agent/relay-main.ts': { may: ['src', 'agent', 'proto'], node: true, why: 'a main wires the real system in' },
  proto: { may: ['proto'], packages: ['@grpc/grpc-js', '@grpc/proto-loader', 'protobufjs'], why: 'the wire only: generated types' },
  certs: { may: ['src/core', 'src/ports', 'src/x509', 'certs'], node: true, why: 'profiles, and the generator of a development hierarchy' },
}

/** Only these may import `src/system`: every other part gets it through ports. */
const mains = ['server/main.ts', 'server/recovery/main.ts', 'agent/main.ts', 'agent/relay-main.ts', 'src/cli', 'src/system', 'src/client/index.ts']

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const files = ['src', 'server', 'agent', 'proto', 'certs'].flatMap((folder) => typescriptFilesBelow(folder))
const imports = files.flatMap((file) => importsOf(file))

describe('the arrows between folders', () => {
  for (const [folder, rule] of Object.entries(rules)) {
    test(`${folder} imports only what it may: ${rule.why}`, () => {
      const wrong = imports.filter((found) => ruleFor(found.from) === folder && !allowed(found, rule)).map((found) => `${found.from} → ${found.to}`)
      expect(wrong).toEqual([])
    })
  }

  test('every file is under a rule', () => {
    expect(files.filter((file) => ruleFor(file) === undefined)).toEqual([])
  })

  test('only the mains import src/system, so that time and chance come in through ports', () => {
    const wrong = imports.filter((found) => found.to.startsWith('src/system') && !mains.some((main) => within(found.from, main)))
    expect(wrong.map((found) => `${found.from} → ${found.to}`)).toEqual([])
  })

  for (const entry of ['src/verify/index.ts', 'src/client/index.ts']) {
    test(`${entry} reaches nothing native and no polyfill`, () => {
      const heavy = [...reachableFrom(entry)].filter((target) => /^(koffi|@peculiar\/|reflect-metadata|@cedar-policy\/)/.test(target) || target === 'node:sqlite')
      expect(heavy).toEqual([])
    })
  }
})

describe('time and chance', () => {
  test('no real clock, timer or randomness outside src/system', () => {
    const pattern = /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(|\brandomBytes\(|\brandomUUID\(|\bprocess\.hrtime|\bperformance\.now\(/
    const wrong = files.filter((file) => !within(file, 'src/system') && !within(file, 'proto')).flatMap((file) => linesOf(file).filter(([line]) => pattern.test(line)).map(([line, number]) => `${file}:${number}: ${line.trim()}`))
    expect(wrong).toEqual([])
  })
})

describe('types', () => {
  test('no any, no non-null assertion, no silenced check', () => {
    const pattern = /:\s*any\b|<any>|\bas any\b|\bas unknown as\b(?!.*\/\/ )|@ts-(ignore|expect-error|nocheck)|[\w)\]]!(\.|;|\)|,|\[|$)/
    const code = (line: string): string => (line.includes('as unknown as') ? line : withoutStrings(line).replace(/\/\/ .*$/, ''))
    const wrong = files.filter((file) => !within(file, 'proto')).flatMap((file) => linesOf(file).filter(([line]) => pattern.test(code(line))).map(([line, number]) => `${file}:${number}: ${line.trim()}`))
    expect(wrong).toEqual([])
  })
})

function allowed(found: Import, rule: Rule): boolean {
  if (found.to.startsWith('node:')) return rule.node === true
  if (/^(src|server|agent|proto|certs|test|tools)(\/|$)/.test(found.to)) {
    return rule.may.some((folder) => within(found.to, folder)) || (found.to.startsWith('src/system') && mains.some((main) => within(found.from, main)))
  }
  return (rule.packages ?? []).some((name) => found.to === name || found.to.startsWith(`${name}/`))
}

function ruleFor(file: string): string | undefined {
  return Object.keys(rules)
    .filter((folder) => within(file, folder))
    .sort((left, right) => right.length - left.length)[0]
}

function within(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`)
}

function typescriptFilesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

function linesOf(file: string): [string, number][] {
  return readFileSync(join(root, file), 'utf8')
    .split('\n')
    .map((line, at): [string, number] => [line, at + 1])
    .filter(([line]) => !/^\s*(\/\/|\*|\/\*)/.test(line))
}

function withoutStrings(line: string): string {
  return line.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\/(?:[^/\\]|\\.)+\/[a-z]*/g, "''")
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = [...text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm)]
  return found.map(([, type, fixed, dynamic]) => ({ from: file, to: resolved(file, fixed ?? dynamic ?? ''), typeOnly: type !== undefined }))
}

function resolved(file: string, specifier: string): string {
  return specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier
}

function reachableFrom(entry: string): Set<string> {
  const seen = new Set<string>()
  const queue = [entry]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    queue.push(...imports.filter((found) => found.from === file && !found.typeOnly).map((found) => found.to))
  }
  return seen
}
