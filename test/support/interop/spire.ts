import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** SPIRE's own programs: in the folder of MAYFLY_SPIRE_BIN, or on the path. `undefined` where they are not. */
export function spirePrograms(): { readonly agent: string; readonly server: string } | undefined {
  const folders = [process.env['MAYFLY_SPIRE_BIN'] ?? '', ...(process.env['PATH'] ?? '').split(delimiter)].filter((folder) => folder !== '')
  const found = folders.find((folder) => existsSync(join(folder, 'spire-agent')) && existsSync(join(folder, 'spire-server')))
  return found === undefined ? undefined : { agent: join(found, 'spire-agent'), server: join(found, 'spire-server') }
}
