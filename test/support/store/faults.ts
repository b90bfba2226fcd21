import type { CommitStep } from '../../../server/store/sqlite/engine.ts'

/** What goes wrong in the store's worker: from the `nth` time that it comes to `step`, as often as `times`. */
export interface Faults {
  readonly step: CommitStep
  readonly nth: number
  readonly times: number
  readonly action: 'kill' | 'disk full' | 'write error'
}

/** For openSqliteStore's `workerUrl`. */
export function workerWith(given: Partial<Faults> & Pick<Faults, 'step' | 'action'>): URL {
  const faults: Faults = { nth: 1, times: 1, ...given }
  const module = new URL('./faulty-worker.ts', import.meta.url)
  const source = `import { serveWith } from ${JSON.stringify(module.href)}; serveWith(${JSON.stringify(faults)})`
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`)
}
