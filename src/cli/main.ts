#!/usr/bin/env node
import process from 'node:process'
import { keepCompiledCode } from './compile-cache.ts'

keepCompiledCode()

// A reader that went away, as in `mayfly entry list | head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
}

void start()

async function start(): Promise<void> {
  const { runCli } = await import('./cli.ts')
  process.exitCode = await runCli(process.argv.slice(2))
}
