import type { Command } from './command.ts'

/** A command by name; its file is loaded only when it is the one that was asked for. */
export interface Row {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<{ readonly command: Command }>
}

export const table: readonly Row[] = [
  { name: 'dev', summary: 'a server and an agent on this machine, for trying things', load: () => import('./commands/dev.ts') },
  { name: 'run', summary: 'run any program with an identity', load: () => import('./commands/run.ts') },
  { name: 'status', summary: 'server and agent on one screen', load: () => import('./commands/status.ts') },
  { name: 'doctor', summary: 'what is wrong with this machine, its server and its agent, and what to do', load: () => import('./commands/doctor.ts') },
  { name: 'watch', summary: 'what changes, as it is committed', load: () => import('./commands/watch.ts') },
  { name: 'why', summary: 'why a process, an ID or a certificate is accepted or not', load: () => import('./commands/why.ts') },
  { name: 'verify', summary: 'what a verifier says of a certificate, and why', load: () => import('./commands/verify.ts') },
  { name: 'curl', summary: 'ask an https server as a workload; says who answered', load: () => import('./commands/curl.ts') },
  { name: 'entry create', summary: 'register a workload', load: () => import('./commands/entry-create.ts') },
  { name: 'entry show', summary: 'one entry', load: () => import('./commands/entry-show.ts') },
  { name: 'entry list', summary: 'entries, by filter and page', load: () => import('./commands/entry-list.ts') },
  { name: 'entry update', summary: 'change an entry', load: () => import('./commands/entry-update.ts') },
  { name: 'entry delete', summary: 'delete entries and end their SVIDs', load: () => import('./commands/entry-delete.ts') },
  { name: 'entry count', summary: 'how many entries match', load: () => import('./commands/entry-count.ts') },
  { name: 'entry enable', summary: 'let an entry have SVIDs again', load: () => import('./commands/entry-enable.ts') },
  { name: 'entry disable', summary: 'no new SVIDs for an entry', load: () => import('./commands/entry-disable.ts') },
  { name: 'enable', summary: 'take back the disablement that a revoke left', load: () => import('./commands/enable.ts') },
  { name: 'revoke', summary: 'end a credential, or all of an ID, entry, agent or owner', load: () => import('./commands/revoke.ts') },
  { name: 'revocation status', summary: 'how far recent revocations have spread', load: () => import('./commands/revocation-status.ts') },
  { name: 'verifier list', summary: 'who checks peers, and how far each has come', load: () => import('./commands/verifier-list.ts') },
  { name: 'authority show', summary: 'the signing authorities and their states', load: () => import('./commands/authority-show.ts') },
  { name: 'authority prepare', summary: 'one more authority, in the bundle and not signing yet', load: () => import('./commands/authority-prepare.ts') },
  { name: 'authority activate', summary: 'let a prepared authority sign', load: () => import('./commands/authority-activate.ts') },
  { name: 'authority taint', summary: 'have every agent replace what an authority signed', load: () => import('./commands/authority-taint.ts') },
  { name: 'authority revoke', summary: 'end an authority and all that it signed', load: () => import('./commands/authority-revoke.ts') },
  { name: 'x509 fetch', summary: 'the X.509-SVIDs of this very process', load: () => import('./commands/x509-fetch.ts') },
  { name: 'x509 watch', summary: 'the same, again with every change', load: () => import('./commands/x509-watch.ts') },
  { name: 'x509 mint', summary: 'an X.509-SVID without an entry, signed by the server', load: () => import('./commands/x509-mint.ts') },
  { name: 'bundle show', summary: "the trust domain's authorities", load: () => import('./commands/bundle-show.ts') },
  { name: 'token create', summary: 'a line that lets one agent join', load: () => import('./commands/token-create.ts') },
  { name: 'agent run', summary: 'run an agent', load: () => import('./commands/agent-run.ts') },
  { name: 'agent list', summary: 'agents that have joined', load: () => import('./commands/agent-list.ts') },
  { name: 'agent show', summary: 'one agent', load: () => import('./commands/agent-show.ts') },
  { name: 'agent evict', summary: 'end an agent and all that it obtained; it may join anew', load: () => import('./commands/agent-evict.ts') },
  { name: 'agent ban', summary: 'the same, for good', load: () => import('./commands/agent-ban.ts') },
  { name: 'relay run', summary: 'run a relay of the revocation stream', load: () => import('./commands/relay-run.ts') },
  { name: 'relay status', summary: 'one relay: what it reads from, and who reads there', load: () => import('./commands/relay-status.ts') },
  { name: 'server run', summary: 'run a server', load: () => import('./commands/server-run.ts') },
  { name: 'server backup', summary: 'a copy of the data of a server, while it runs or stopped', load: () => import('./commands/server-backup.ts') },
  { name: 'server restore', summary: 'begin a new epoch from a backup, or from a database that was copied back', load: () => import('./commands/server-restore.ts') },
  { name: 'server reload', summary: 'have the server read its configuration again', load: () => import('./commands/server-reload.ts') },
  { name: 'agent reload', summary: 'have the agent read its configuration again', load: () => import('./commands/agent-reload.ts') },
  { name: 'completion', summary: 'a script that lets bash, zsh or fish complete commands', load: () => import('./commands/completion.ts') },
  { name: 'config schema', summary: 'the JSON Schema of a configuration file', load: () => import('./commands/config-schema.ts') },
]

export type Found = { readonly kind: 'command'; readonly row: Row; readonly args: readonly string[] } | { readonly kind: 'group'; readonly name: string; readonly rows: readonly Row[] } | { readonly kind: 'unknown'; readonly closest: string | undefined }

/** The command that the first one or two words name. */
export function find(args: readonly string[], rows: readonly Row[] = table): Found {
  const [first = '', second = ''] = args
  for (const [name, words] of [
    [`${first} ${second}`, 2],
    [first, 1],
  ] as const) {
    const row = rows.find((candidate) => candidate.name === name)
    if (row !== undefined) return { kind: 'command', row, args: args.slice(words) }
  }
  const group = rows.filter((row) => row.name.startsWith(`${first} `))
  if (first !== '' && group.length > 0 && (second === '' || second.startsWith('-'))) return { kind: 'group', name: first, rows: group }
  return { kind: 'unknown', closest: closestTo([first, second].filter((word) => word !== '' && !word.startsWith('-')).join(' '), rows) }
}

function closestTo(typed: string, rows: readonly Row[]): string | undefined {
  const [best] = rows.map((row) => ({ name: row.name, distance: distanceOf(typed, row.name) })).sort((left, right) => left.distance - right.distance)
  return best !== undefined && best.distance <= Math.max(2, Math.floor(best.name.length / 3)) ? best.name : undefined
}

/** Levenshtein's. */
function distanceOf(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1))
    row = next
  }
  return row[right.length] ?? 0
}
