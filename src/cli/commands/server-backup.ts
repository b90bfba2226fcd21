import { resolve } from 'node:path'

import { usage } from '../arguments.ts'
import { define, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { recoveryArguments, runRecovery } from '../recovery.ts'

export const command: Command = define({
  about:
    'Makes a folder with the database, the keys of the authorities and a manifest, on the machine of the server and while it runs; with --data or --config, of one that is stopped.\nIt holds secrets: mode 0700. Nothing is overwritten; a disk that is full leaves nothing.',
  options: {
    to: { type: 'string', value: 'FOLDER', help: 'where it is made; must not be there yet' },
    ...serverSocket,
    data: { type: 'string', value: 'DIR', help: 'data folder of a server that is stopped' },
    config: { type: 'string', value: 'FILE', help: 'its configuration' },
  },
  examples: ['mayfly server backup --to /backup/mayfly-$(date +%F)', 'mayfly server backup --to /backup/last --data /var/lib/mayfly'],
  async run({ options }, context) {
    const { output, signal, cwd } = context
    if (options.to === undefined) throw usage('server backup', '--to is missing')
    const to = resolve(cwd, options.to)
    const made = options.data === undefined && options.config === undefined ? await whileItRuns(to, options, context) : await runRecovery(['backup', ...recoveryArguments({ to, data: options.data, config: options.config })])
    signal.throwIfAborted()
    if (options.json) output.json(made)
    else output.line(`backup of ${String(made['trustDomain'])} in ${to}`)
  },
})

async function whileItRuns(to: string, options: { readonly 'server-socket'?: string | undefined }, context: Parameters<typeof connectServer>[1]): Promise<Readonly<Record<string, unknown>>> {
  using server = await connectServer(options, context)
  return { ...(await server.unary('mayfly.v1.Backups', 'Create', { to }, { signal: context.signal, timeoutMs: 3_600_000 })) }
}
