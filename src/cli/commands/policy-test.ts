import process from 'node:process'
import { usage } from '../arguments.ts'
import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-code.ts'
import { readPolicies } from '../policy-files.ts'
import { readData } from '../read-data.ts'

export const command: Command = define({
  arguments: '<folder | file.cedar>',
  positionals: [1, 1],
  about: ['Runs a table of cases against policies, without a server: what is asked, and what must come out, with the reason.', 'Facts that a case leaves out are those of an ordinary request; docs/policy.md lists them.'].join('\n'),
  options: { cases: { type: 'string', value: 'FILE', help: 'the cases, YAML or JSON' } },
  examples: ['mayfly policy test policies/ --cases policies/cases.yaml'],
  async run({ options, positionals: [path = ''] }, { output, cwd }) {
    if (options.cases === undefined) throw usage('policy test', '--cases is missing')
    const [{ PolicyEngine }, { parseCases, runCases }] = await Promise.all([import('../../policy/engine.ts'), import('../../policy/cases.ts')])
    const cases = parseCases(await readData(options.cases, cwd, process.stdin))
    using engine = await PolicyEngine.load(await readPolicies(path, cwd))
    const results = runCases(engine, cases)
    const failed = results.filter(({ passed }) => !passed)
    if (options.json) output.json({ hash: engine.hash, cases: results, passed: results.length - failed.length, failed: failed.length })
    else {
      for (const { name, passed, decision, wanted } of results) {
        output.line(`${passed ? 'ok  ' : 'FAIL'}  ${name}: ${decision.allowed ? 'allowed' : 'denied'} by ${decision.reasons.join(', ')}${passed ? '' : `; wanted ${wanted}`}`)
      }
      output.line(`${results.length - failed.length} passed, ${failed.length} failed`)
    }
    return failed.length === 0 ? exitCodes.ok : exitCodes.failed
  },
})
