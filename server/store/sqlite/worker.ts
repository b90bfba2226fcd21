import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerOptions } from './messages.ts'

if (parentPort === null) throw new Error("this file is the store's worker and is started by openSqliteStore")
const options = workerData as WorkerOptions // openSqliteStore gives nothing else
// a thread has a compile cache of its own: it follows the main thread's, or most of the time to open a store goes into compiling
if (options.compileCache !== undefined) enableCompileCache(options.compileCache)
const { serveStore } = await import('./serve.ts')
serveStore(parentPort, options)
