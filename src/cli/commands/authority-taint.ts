import { endJson, endOptions, hitText, shortId } from '../authorities.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'

export const command: Command = define({
  arguments: '<authority>',
  positionals: [1, 1],
  about: [
    'Has every agent replace what this authority signed, its own SVID too, at once. It stays in the bundle, so that nothing breaks on',
    'the way; when mayfly authority show says that all is replaced, mayfly authority revoke ends it.',
  ].join('\n'),
  options: { ...endOptions, ...serverSocket, ...dataFolder },
  examples: ['mayfly authority taint 3f1a9c0d --reason "key may have been copied"', 'mayfly authority taint --dry-run 3f1a9c0d'],
  async run({ options, positionals: [id = ''] }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const dryRun = options['dry-run']
    const end = await server.unary('mayfly.v1.Authorities', 'Taint', { id, dryRun, replaceActive: options['replace-active'], reason: options.reason ?? '' }, { signal })
    if (options.json) output.json(endJson(end, dryRun))
    else if (dryRun) output.line(`would replace ${hitText(end)}`)
    else output.line(`authority ${shortId(end.authority?.id ?? id)} is tainted: ${hitText(end)} are replaced now; mayfly authority show says how many are not yet`)
  },
})
