import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerOptions } from './messages.ts'
import { serveStore } from './serve.ts'

if (parentPort === null) throw new Error('this file is the store\'s worker and is started by openSqliteStore')
serveStore(parentPort, workerData as WorkerOptions) // openSqliteStore gives nothing else
