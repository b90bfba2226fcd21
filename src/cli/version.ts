import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The package's version, from the nearest package.json above: the source tree's, or the installed package's. */
export function version(): string {
  return `mayfly ${(JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { readonly version: string }).version}` // our own package.json
}

/** The folder that holds package.json: two above this file in the source tree, three in the built package. */
function packageFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json')) && folder !== '/') folder = dirname(folder)
  return folder
}
