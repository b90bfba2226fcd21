import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MayflyError } from '../core/errors.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { readNamedFile } from './read-file.ts'

const suffix = '.cedar'

/** The policies of a folder, `NAME.cedar` each, or of one such file; blanks around a text are not of it, so that what was shown and is applied again has the same hash. @throws {MayflyError} NOT_FOUND, POLICY_INVALID when there are none */
export async function readPolicies(path: string, cwd: string): Promise<PolicySet> {
  const names = path.endsWith(suffix) ? undefined : await policyFilesIn(path, cwd)
  if (names === undefined) return { [nameOf(path)]: (await readNamedFile(path, cwd)).trim() }
  if (names.length === 0) throw new MayflyError('POLICY_INVALID', `no policy in ${path}`, { hint: 'a policy is a file NAME.cedar; its name is what a denial says' })
  return Object.fromEntries(await Promise.all(names.map(async (name) => [nameOf(name), (await readNamedFile(join(path, name), cwd)).trim()] as const)))
}

async function policyFilesIn(path: string, cwd: string): Promise<string[]> {
  try {
    return (await readdir(resolve(cwd, path))).filter((name) => name.endsWith(suffix)).toSorted()
  } catch (cause) {
    throw new MayflyError('NOT_FOUND', `cannot read the folder ${path}`, { cause, hint: 'mayfly policy show --out DIR writes the policy in force to one' })
  }
}

function nameOf(path: string): string {
  return (path.split('/').at(-1) ?? '').slice(0, -suffix.length)
}
