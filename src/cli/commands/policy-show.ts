import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MayflyError } from '../../core/errors.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { timeText } from '../when.ts'

export const command: Command = define({
  about: 'Shows the policy in force; with --out it is written to a folder, a file for each policy, to be changed and applied again.',
  options: { out: { type: 'string', value: 'DIR', help: 'write NAME.cedar for each policy to this folder, which must not have any' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly policy show', 'mayfly policy show --out policies/'],
  async run({ options }, context) {
    const { output, signal, cwd } = context
    using server = await connectServer(options, context)
    const { set, hash, version, appliedBy, appliedAtMs } = await server.unary('mayfly.v1.Policies', 'Show', {}, { signal })
    const policies = Object.entries(set?.policies ?? {}).toSorted(([left], [right]) => (left < right ? -1 : 1))
    if (options.out !== undefined) {
      await writePolicies(resolve(cwd, options.out), policies)
      return output.note(`${policies.length} policies of version ${version} are in ${options.out}`)
    }
    if (options.json) return output.json({ hash, version, appliedBy, appliedAt: timeText(appliedAtMs), policies: Object.fromEntries(policies) })
    output.facts([['version', version === 0 ? '0, the policy of a new trust domain' : String(version)], ['hash', hash], ['applied', version === 0 ? '' : `${timeText(appliedAtMs)} by ${appliedBy}`]])
    for (const [name, text] of policies) output.line(`\n// ${name}\n${text.trim()}`)
  },
})

async function writePolicies(folder: string, policies: readonly (readonly [string, string])[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, text] of policies) {
    try {
      await writeFile(join(folder, `${name}.cedar`), `${text.trim()}\n`, { flag: 'wx' })
    } catch (cause) {
      throw new MayflyError('ALREADY_EXISTS', `cannot write ${name}.cedar there`, { cause, hint: 'give a folder without policies' })
    }
  }
}
