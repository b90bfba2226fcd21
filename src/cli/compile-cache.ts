import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const variable = 'NODE_COMPILE_CACHE'
const given = process.env[variable]

/** Before anything heavy is imported, and handed to the server and the agent that a command starts. A folder of this user's own: nobody else may plant code in it. */
export function keepCompiledCode(): void {
  const folder = given ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mayfly', 'compile')
  process.env[variable] = enableCompileCache(folder).directory === undefined ? '' : folder
}

/** The environment of a user's program: as it was given to this process, without the folder where our code is kept compiled. */
export function givenEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, [variable]: given }
}
