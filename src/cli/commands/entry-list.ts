import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { entryToJson } from '../entries.ts'
import type { EntryJson } from '../entries.ts'
import { filterOf, filterOptions } from '../entry-options.ts'

export const command: Command = define({
  about: 'Lists entries that match every filter given. With --json one object a line, or with --page-size one page with its token.',
  options: {
    ...filterOptions,
    'page-size': { type: 'string', value: 'N', help: 'one page of this many, and the token of the next' },
    'page-token': { type: 'string', value: 'TOKEN', help: 'the page that a token names' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly entry list', 'mayfly entry list --owner data-team --disabled', 'mayfly entry list -s unix:uid:1000 --json', 'mayfly entry list --page-size 50'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const filter = await filterOf(options, server, signal)
    const onePage = options['page-size'] !== undefined || options['page-token'] !== undefined
    const pageSize = Number(options['page-size'] ?? 500)
    if (!Number.isInteger(pageSize) || pageSize < 1) throw usage('entry list', '--page-size is not a number of entries')
    const found: EntryJson[] = []
    let pageToken = options['page-token'] ?? ''
    do {
      const page = await server.unary('mayfly.v1.Registry', 'ListEntries', { filter, pageSize, pageToken }, { signal })
      const entries = page.entries.map((entry) => entryToJson(entry))
      pageToken = page.nextPageToken
      if (options.json && !onePage) for (const entry of entries) output.json(entry)
      else found.push(...entries)
    } while (pageToken !== '' && !onePage)
    if (options.json) {
      if (onePage) output.json({ entries: found, nextPageToken: pageToken })
      return
    }
    output.table(['ENTRY', 'ID', 'SELECTORS', 'OWNER', 'STATE'], found.map((entry) => [entry.id ?? '', entry.spiffeId, entry.selectors.join(' '), entry.owner ?? '', entry.disabled === true ? 'disabled' : 'enabled']))
    if (pageToken !== '') output.note(`more: --page-token ${pageToken}`)
  },
})
