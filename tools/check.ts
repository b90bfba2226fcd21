// `npm run typecheck`, `npm run lint [-- paths]`.
import { lint, typecheck } from './steps.ts'

const [what, ...args] = process.argv.slice(2)
process.exitCode = what === 'types' ? await typecheck() : await lint(args)
