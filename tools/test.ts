// `npm test [-- vitest arguments]`: types, lint and the fast suite; all three run, whatever the first says.
import { lint, typecheck, vitest } from './steps.ts'

const args = process.argv.slice(2)
const codes = [await typecheck(), await lint(), await vitest('fast', 'vitest.config.ts', args)]
process.exitCode = codes.find((code) => code !== 0) ?? 0
