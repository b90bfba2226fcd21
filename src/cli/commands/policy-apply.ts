import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { readPolicies } from '../policy-files.ts'
import { count } from '../verifiers.ts'

export const command: Command = define({
  arguments: '<folder | file.cedar>',
  positionals: [1, 1],
  about: ['Puts a set of policies in force, all at once and as one version. Every active grant is asked about again, and ends when it', 'is no longer allowed; --dry-run says which would.'].join('\n'),
  options: {
    'dry-run': { type: 'boolean', help: 'check it and say which grants would end; change nothing' },
    reason: { type: 'string', value: 'TEXT', help: 'for the record' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly policy apply policies/ --dry-run', 'mayfly policy apply policies/ --reason "two people for production"'],
  async run({ options, positionals: [path = ''] }, context) {
    const { output, signal, cwd } = context
    const set = await readPolicies(path, cwd)
    using server = await connectServer(options, context)
    const dryRun = options['dry-run']
    const answer = await server.unary('mayfly.v1.Policies', 'Apply', { set: { policies: { ...set } }, dryRun, reason: options.reason ?? '' }, { signal })
    const { hash, version, evaluated, endedGrantIds } = answer
    if (options.json) return output.json({ hash, version, evaluated, ended: endedGrantIds, dryRun })
    output.line(dryRun ? `would be in force with hash ${hash}` : `version ${version} is in force, hash ${hash}`)
    output.line(`${count(evaluated, 'active grant')} ${evaluated === 1 ? 'was' : 'were'} asked about again; ${endedGrantIds.length} ${dryRun ? 'would end' : 'ended'}`)
    for (const id of endedGrantIds) output.line(`  ${id}`)
  },
})
