import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-code.ts'
import { readPolicies } from '../policy-files.ts'

export const command: Command = define({
  arguments: '<folder | file.cedar>',
  positionals: [1, 1],
  about: 'Checks policies without a server: their syntax, and every fact they name against the schema. Each problem is a line with the policy and the place.',
  options: {},
  examples: ['mayfly policy check policies/'],
  async run({ options, positionals: [path = ''] }, { output, cwd }) {
    const set = await readPolicies(path, cwd)
    const [{ loadCedar, problemsOf }, { policyHash }] = await Promise.all([import('../../policy/cedar.ts'), import('../../policy/policy-set.ts')])
    const problems = problemsOf(await loadCedar(), set)
    if (options.json) output.json({ policies: Object.keys(set), hash: policyHash(set), problems })
    else if (problems.length === 0) output.line(`${Object.keys(set).length} policies, no problem; hash ${policyHash(set)}`)
    else for (const problem of problems) output.line(problem)
    return problems.length === 0 ? exitCodes.ok : exitCodes.failed
  },
})
