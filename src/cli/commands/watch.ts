import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { clockText } from '../when.ts'

export const command: Command = define({
  about: 'Prints every change of state as it is committed, until Ctrl-C.',
  options: { only: { type: 'string', multiple: true, value: 'PREFIX', help: 'only events whose name begins so, such as credentials' }, ...serverSocket, ...dataFolder },
  examples: ['mayfly watch', 'mayfly watch --only credentials.ended --only target', 'mayfly watch --json | jq'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    for await (const event of server.serverStream('mayfly.v1.Status', 'WatchEvents', {}, { signal })) {
      if (options.only.length > 0 && !options.only.some((prefix) => event.name.startsWith(prefix))) continue
      const fields: unknown = JSON.parse(event.fields === '' ? '{}' : event.fields)
      if (options.json) output.json({ event: event.name, atMs: event.atMs, ...(typeof fields === 'object' ? fields : {}) })
      else output.line(`${clockText(event.atMs)}  ${event.name.padEnd(20)}  ${inline(fields)}`)
    }
  },
})

/** `key=value` in a line; what is nested stays JSON. */
function inline(fields: unknown): string {
  if (typeof fields !== 'object' || fields === null) return ''
  return Object.entries(fields)
    .filter(([, value]) => value !== '' && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ')
}
