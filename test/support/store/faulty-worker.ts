import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerOptions } from '../../../server/store/sqlite/messages.ts'
import { serveStore } from '../../../server/store/sqlite/serve.ts'
import type { Faults } from './faults.ts'

/** The store's worker, which fails or takes the whole process down at the given steps. */
export function serveWith(faults: Faults): void {
  if (parentPort === null) throw new Error('this runs in a worker')
  let reached = 0
  serveStore(parentPort, workerData as WorkerOptions, (step) => { // openSqliteStore gives nothing else
    if (step !== faults.step) return
    reached += 1
    if (reached < faults.nth || reached >= faults.nth + faults.times) return
    if (faults.action === 'kill') process.kill(process.pid, 'SIGKILL')
    else throw Object.assign(new Error(`${faults.action} at ${step}`), { errcode: faults.action === 'disk full' ? 13 : 10 })
  })
}
