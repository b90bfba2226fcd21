import { join } from 'node:path'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/bench/**', 'test/slow/**', 'test/timelines/**', 'test/faults/**'],
    pool: 'forks',
    maxWorkers: 2, // on two cores vitest itself would take one, and half of the tests' time is waiting for processes
    // Threads and processes that tests start need not strip and compile the same files again.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compile') },
    // Tests wait for events: what never comes is a failure, also on a machine that is ten times slower. No test has a patience of its own.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
})

export default config
