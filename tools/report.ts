import { existsSync, readFileSync } from 'node:fs'

/** What a run of vitest came to, as `report-file.ts` writes it. */
export interface Report {
  readonly ms: number
  readonly files: readonly FileReport[]
  /** Errors that no test answers for: each fails the run. */
  readonly unhandled: readonly string[]
}

export interface FileReport {
  /** From the root. */
  readonly file: string
  readonly ms: number
  /** It could not be loaded, or failed outside its tests. */
  readonly broken: boolean
  readonly tests: readonly TestReport[]
}

export interface TestReport {
  /** With the names of the groups it is in. */
  readonly title: string
  readonly state: 'passed' | 'failed' | 'skipped'
}

/** Of this file; `undefined` when there is none, or only half of one. */
export function readReport(path: string): Report | undefined {
  if (!existsSync(path)) return undefined
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report>
    return Array.isArray(report.files) && Array.isArray(report.unhandled) && Number.isFinite(report.ms) ? (report as Report) : undefined // looked at above; written by us
  } catch {
    return undefined
  }
}

/** Whether something of it failed, in a test or beside them. */
export function failed({ broken, tests }: FileReport): boolean {
  return broken || tests.length === 0 || tests.some(({ state }) => state === 'failed')
}
