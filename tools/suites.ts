import { vitest } from './steps.ts'

/** A set of tests that .ci/run runs as one step. */
export interface Suite {
  readonly name: string
  /** Which test files it runs, by their path from the root. */
  readonly runs: (file: string) => boolean
}

const folder = (name: string): Suite => ({ name, runs: (file) => file.startsWith(`test/${name}/`) })

/** In the order of .ci/run, each with the name that its step and its report have there. What is in test/fuzz runs twice: briefly with the fast ones. */
export const suites: readonly Suite[] = [
  { name: 'test', runs: (file) => !/^test\/(slow|timelines|interop|bench|faults)\//.test(file) },
  folder('slow'),
  folder('timelines'),
  folder('interop'),
  folder('fuzz'),
]

/** Runs a suite, or what of it `args` names; resolves with vitest's exit code. @param report what its report is called, where reports are kept */
export function runSuite(name: string, args: readonly string[], report: string = name): Promise<number> {
  if (name === 'test') return vitest('fast', 'vitest.config.ts', args, {}, report)
  const env = name === 'fuzz' ? { MAYFLY_FUZZ_SECONDS: process.env['MAYFLY_FUZZ_SECONDS'] ?? '60' } : {}
  return vitest(name, 'tools/vitest.suites.ts', args, { ...env, MAYFLY_SUITE: name }, report)
}
