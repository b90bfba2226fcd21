import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'

import type { FileReport, Report } from './report.ts'
import { root } from './steps.ts'

/** A reporter of vitest that writes a `Report` to the file that MAYFLY_TEST_REPORT names, when all has run. */
export default class ReportFile implements Reporter {
  readonly #startedMs = performance.now()

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    const path = process.env['MAYFLY_TEST_REPORT']
    if (path === undefined) throw new Error('MAYFLY_TEST_REPORT names no file')
    const report: Report = { ms: Math.round(performance.now() - this.#startedMs), files: modules.map(fileReport), unhandled: unhandled.map(({ message }) => message) }
    writeFileSync(path, JSON.stringify(report))
  }
}

function fileReport(module: TestModule): FileReport {
  const tests = [...module.children.allTests()].map((test) => {
    const { state } = test.result()
    return { title: test.fullName, state: state === 'pending' ? 'failed' : state } as const // pending: it never ended
  })
  const { duration, collectDuration, setupDuration } = module.diagnostic()
  return {
    file: relative(root, module.moduleId),
    ms: Math.round(duration + collectDuration + setupDuration),
    broken: module.state() === 'failed' && !tests.some(({ state }) => state === 'failed'),
    tests,
  }
}
