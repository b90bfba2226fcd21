// `npm run build`: compiled JavaScript with types in dist/, and beside it what is read at run time.
import { chmodSync, copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { bundlePrograms } from './bundle.ts'
import { writeCodecs } from './codecs.ts'
import { root, step } from './steps.ts'

const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const code = await step('build: tsc', join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'])
process.exitCode = code
if (code === 0) {
  await bundlePrograms(dist)
  writeCodecs(join(dist, 'proto/generated/codecs'))
  copyFileSync(join(root, 'src/cli/bin.cjs'), join(dist, 'bin.cjs'))
  chmodSync(join(dist, 'bin.cjs'), 0o755)
  cpSync(join(root, 'certs/profiles'), join(dist, 'certs/profiles'), { recursive: true, filter: (file) => !file.endsWith('.ts') })
  // The mains say their version by the package.json one folder above them, here as in the source tree.
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly name: string; readonly version: string } // our own
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ name, version, type: 'module' })}\n`)
}
