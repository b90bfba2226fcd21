import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix, relative } from 'node:path'
import { rolldown, type OutputAsset, type OutputChunk, type Plugin } from 'rolldown'

/** What is started as a process or a thread of its own, by program. What two entries of one program share is in `parts`. */
const programs: Readonly<Record<string, readonly string[]>> = {
  server: ['server/main', 'server/recovery/main', 'server/ca/signer-worker', 'server/ca/pkcs11/worker', 'server/store/sqlite/worker'],
  agent: ['agent/main', 'agent/relay-main'],
  'src/cli': ['src/cli/main', 'src/cli/tour/workload'],
}

/** Loads two hundred small files of packages, and half of its time is that: their code is put together with its own. */
const whole = 'src/x509/peculiar/builder'

/** Packages that every start loads, a hundred files with what they need themselves, and a seventh of an agent's start was that: their code is put together with a program's own. */
const putTogether: ReadonlySet<string> = new Set(['@grpc/grpc-js', 'pino', 'protobufjs/minimal.js'])

/** Of those packages' own needs what they load only when they are asked for what no program of ours asks them for. */
const neverLoaded: ReadonlySet<string> = new Set(['@grpc/proto-loader'])

/** V8 keeps the text of what it runs, and comments are a seventh of it: they stay in the source. */
const written = { format: 'esm', comments: false } as const

/**
 * Puts the modules of each program together in few files, in place of the compiled ones: a process that opens two hundred files to start
 * spends a quarter of its start on that. Other packages stay packages, but for the builder of what is rare, and the libraries (`mayfly/verify`, `mayfly/client`) stay modules.
 */
export async function bundlePrograms(dist: string): Promise<void> {
  const built = `${dist}.programs` // beside what it is made of, until all are made
  rmSync(built, { recursive: true, force: true })
  const theirs: string[] = []
  for (const [program, entries] of Object.entries(programs)) {
    await using build = await rolldown({
      input: Object.fromEntries(entries.map((entry) => [entry, join(dist, `${entry}.js`)])),
      external: (id, importer = dist) => staysOutside(id, importer.startsWith(dist)),
      platform: 'node',
      treeshake: false,
      plugins: [originKept(dist), builtinsAsked()],
    })
    const { output } = await build.write({ ...written, dir: built, entryFileNames: '[name].js', chunkFileNames: `${program}/parts/[name]-[hash].js` })
    theirs.push(...modulesOf(output))
  }
  await using build = await rolldown({ input: { [whole]: join(dist, `${whole}.js`) }, external: isBuiltin, platform: 'node', treeshake: false, plugins: [builtinsAsked()] })
  const { output } = await build.write({ ...written, dir: built, codeSplitting: false })
  writeFileSync(join(built, 'third-party-licenses.txt'), licensesOf([...theirs, ...modulesOf(output)]))
  for (const program of Object.keys(programs)) rmSync(join(dist, program), { recursive: true })
  cpSync(built, dist, { recursive: true })
  rmSync(built, { recursive: true })
}

/** @param isOurs whether a module of ours imports it, and no package */
function staysOutside(id: string, isOurs: boolean): boolean {
  if (id.startsWith('.') || id.startsWith('/')) return false
  return isBuiltin(id) || neverLoaded.has(id) || (isOurs && !putTogether.has(id))
}

function modulesOf(output: readonly (OutputChunk | OutputAsset)[]): readonly string[] {
  return output.flatMap((made) => (made.type === 'chunk' ? made.moduleIds : []))
}

/** What the packages ask of whoever passes their code on: their licenses, one after the other. */
function licensesOf(files: readonly string[]): string {
  const packages = new Set(files.flatMap((file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? []))
  return [...packages].sort().map((folder) => {
    const license = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
    if (license === undefined) throw new Error(`${folder} has no license that could go with its code`)
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly name: string; readonly version: string } // as npm demands
    return `${name} ${version}\n\n${readFileSync(join(folder, license), 'utf8').trim()}\n`
  }).join('\n\n')
}

/**
 * Node's own modules are asked for by name instead of imported: an import reads every property of the module, and those of `node:http` load a whole
 * HTTP client and WebSockets, 17 ms and 4 MB of each process that never needs them.
 */
function builtinsAsked(): Plugin {
  const imported = /^import (?:([\w$]+)(?:, )?)?(?:\{([^}]*)\}|\* as ([\w$]+))? ?from "(node:[^"]+)";$/gm
  return {
    name: 'builtins-asked',
    renderChunk: (code) =>
      code.replaceAll(imported, (_, whole: string | undefined, named: string | undefined, namespace: string | undefined, module: string) => {
        const names = [whole, namespace, named === undefined ? undefined : `{${named.replaceAll(' as ', ': ')}}`].filter((name) => name !== undefined)
        return names.map((name) => `const ${name} = globalThis.process.getBuiltinModule("${module}");`).join(' ')
      }),
  }
}

/** A module that looks for its neighbours by `import.meta` finds them where it was compiled to, wherever it is now. */
function originKept(dist: string): Plugin {
  return {
    name: 'origin-kept',
    transform: (code, id) =>
      code.includes('import.meta') ? code.replaceAll(/\bimport\.meta\.(url|dirname|filename)\b/g, (_, property: string) => `origin__("${relative(dist, id)}", "${property}")`) : undefined,
    renderChunk: (code, { fileName }) =>
      code.replaceAll(/\borigin__\("([^"]+)", "(\w+)"\)/g, (_, module: string, property: string) => {
        const url = `new URL("./${posix.relative(posix.dirname(fileName), module)}", import.meta.url)`
        const path = `process.getBuiltinModule('node:url').fileURLToPath(${url})`
        return property === 'url' ? `${url}.href` : property === 'filename' ? path : `process.getBuiltinModule('node:path').dirname(${path})`
      }),
  }
}
