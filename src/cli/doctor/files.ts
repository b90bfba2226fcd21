import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const secrets = /\.key$|\.pem$/
/** What one of these folders has from its first start on. */
const kept = { server: ['mayfly.db'], agent: ['agent.lock', 'server.json'] }
const leastBytes = 100 * 1_048_576
const lowBytes = 1_073_741_824
const lowShare = 0.05

/** Whether a folder, such as that of a socket, is a data folder. */
export function isDataFolder(who: 'server' | 'agent', folder: string): boolean {
  return kept[who].some((name) => existsSync(join(folder, name)))
}

/** Permissions and room of a data folder; nothing where there is none. */
export function dataFindings(who: 'server' | 'agent', folder: string): readonly Finding[] {
  if (!existsSync(folder)) return []
  return [modeFinding(who, folder), secretsFinding(who, folder), roomFinding(`${who}.disk`, statfsSync(folder))]
}

/** The server's folder is its owner's alone; workloads of any user pass through the agent's to its socket, and write there never. */
function modeFinding(who: 'server' | 'agent', folder: string): Finding {
  const mode = statSync(folder).mode & 0o777
  const excess = mode & (who === 'server' ? 0o077 : 0o022)
  const check = `${who}.folder`
  return excess === 0 ? ok(check, `${folder} has mode ${octal(mode)}`) : fail(check, `${folder} has mode ${octal(mode)}: others can ${who === 'server' ? 'enter' : 'write'} it`, `chmod ${who === 'server' ? '0700' : '0755'} ${folder}`)
}

function secretsFinding(who: 'server' | 'agent', folder: string): Finding {
  const check = `${who}.secrets`
  try {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => !name.startsWith('cache') && secrets.test(name.split('/').at(-1) ?? ''))
    const open = names.filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0)
    if (open.length > 0) return fail(check, `readable by others: ${open.slice(0, 5).join(', ')}`, `chmod 0600 ${open.slice(0, 5).map((name) => join(folder, name)).join(' ')}; whoever could read a key has it: mayfly revoke --leaked`)
    return ok(check, `${names.length} files with keys, their owner's alone`)
  } catch (error) {
    return warn(check, `cannot be looked at: ${error instanceof Error ? error.message : String(error)}`, `run mayfly doctor as the user of the ${who}`)
  }
}

export function roomFinding(check: string, { bavail, blocks, bsize }: { readonly bavail: number; readonly blocks: number; readonly bsize: number }): Finding {
  const free = bavail * bsize
  const text = `${Math.round(free / 1_048_576)} MB free, ${Math.round((bavail / Math.max(1, blocks)) * 100)} %`
  const what = check.startsWith('agent') ? 'an agent whose disk is full cannot keep its next SVID, and joins anew after a restart' : 'a server whose disk is full issues nothing'
  if (free < leastBytes) return fail(check, text, `make room: ${what}`)
  return free < lowBytes || bavail / blocks < lowShare ? warn(check, text, `make room before it is full: ${what}`) : ok(check, text)
}

/** The mode of a socket that workloads of every user connect to. */
export function socketFinding(check: string, path: string, wanted: number): Finding {
  try {
    const stat = statSync(path)
    if (!stat.isSocket()) return fail(check, `${path} is no socket`, 'remove it and start the agent again')
    return (stat.mode & wanted) === wanted ? ok(check, `${path} has mode ${octal(stat.mode & 0o777)}`) : fail(check, `${path} has mode ${octal(stat.mode & 0o777)}: workloads of other users cannot connect`, `chmod ${octal(wanted)} ${path}`)
  } catch (error) {
    return fail(check, `${path}: ${error instanceof Error ? error.message : String(error)}`, 'each folder on the way must let workloads pass: chmod o+x')
  }
}

function octal(mode: number): string {
  return `0${mode.toString(8).padStart(3, '0')}`
}
