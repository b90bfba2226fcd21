#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

// Before anything heavy is imported, and handed to the server and the agent that a command starts. A folder of this user's
// own: nobody else may plant code in it.
const cacheFolder = process.env['NODE_COMPILE_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mayfly', 'compile')
process.env['NODE_COMPILE_CACHE'] = enableCompileCache(cacheFolder).directory === undefined ? '' : cacheFolder

// A reader that went away, as in `mayfly entry list | head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
}

void start()

async function start(): Promise<void> {
  const { runCli } = await import('./cli.ts')
  process.exitCode = await runCli(process.argv.slice(2))
}
