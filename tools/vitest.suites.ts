import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** One folder of test/ at a time, named by MAYFLY_SUITE: slow, timelines, interop, fuzz or faults. */
const suite = process.env['MAYFLY_SUITE'] ?? 'slow'

const config: ViteUserConfig = defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: [`test/${suite}/**/*.test.ts`],
    pool: 'forks',
    env: { NODE_COMPILE_CACHE: new URL('../node_modules/.cache/compile', import.meta.url).pathname },
    maxConcurrency: 3, // of tests that mostly wait, where they say so
    testTimeout: 300_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 120_000 } },
    maxWorkers: suite === 'fuzz' || suite === 'timelines' ? 2 : 1, // crowds and floods would disturb each other; timelines mostly wait
  },
})

export default config
