import type { Row } from './row.ts'

export const table: readonly Row[] = [
  { name: 'dev', summary: 'a server and an agent on this machine, for trying things', load: () => import('./commands/dev.ts') },
  { name: 'run', summary: 'run any program with an identity', load: () => import('./commands/run.ts') },
  { name: 'status', summary: 'server and agent on one screen', load: () => import('./commands/status.ts') },
  { name: 'doctor', summary: 'what is wrong with this machine, its server and its agent, and what to do', load: () => import('./commands/doctor.ts') },
  { name: 'watch', summary: 'what changes, as it is committed', load: () => import('./commands/watch.ts') },
  { name: 'why', summary: 'why a process, an ID or a certificate is accepted or not', load: () => import('./commands/why.ts') },
  { name: 'verify', summary: 'what a verifier says of a certificate, and why', load: () => import('./commands/verify.ts') },
  { name: 'curl', summary: 'ask an https server as a workload; says who answered', load: () => import('./commands/curl.ts') },
  { name: 'grant request', summary: 'ask for a grant for this process, and hold it', load: () => import('./commands/grant-request.ts') },
  { name: 'grant list', summary: 'grants that are not over', load: () => import('./commands/grant-list.ts') },
  { name: 'grant show', summary: 'one grant: its intent, budget, approvals, steps, and why it ended', load: () => import('./commands/grant-show.ts') },
  { name: 'grant tree', summary: 'who delegated what to whom', load: () => import('./commands/grant-tree.ts') },
  { name: 'grant watch', summary: 'every change of grants', load: () => import('./commands/grant-watch.ts') },
  { name: 'grant step', summary: 'inside a grant: may this action be taken now?', load: () => import('./commands/grant-step.ts') },
  { name: 'grant renew', summary: 'inside a grant: another SVID now', load: () => import('./commands/grant-renew.ts') },
  { name: 'end', summary: 'end, suspend or resume a grant', load: () => import('./commands/end.ts') },
  { name: 'approvals', summary: 'what waits for people', load: () => import('./commands/approvals.ts') },
  { name: 'approve', summary: 'approve a request or a step, by an SSH signature', load: () => import('./commands/approve.ts') },
  { name: 'deny', summary: 'deny one, or take an approval back', load: () => import('./commands/deny.ts') },
  { name: 'role create', summary: 'what grants may be asked for, by whom, on which terms', load: () => import('./commands/role-create.ts') },
  { name: 'role show', summary: 'one grant role', load: () => import('./commands/role-show.ts') },
  { name: 'role list', summary: 'grant roles', load: () => import('./commands/role-list.ts') },
  { name: 'role update', summary: 'change a grant role', load: () => import('./commands/role-update.ts') },
  { name: 'role delete', summary: 'delete a grant role', load: () => import('./commands/role-delete.ts') },
  { name: 'policy show', summary: 'the policy in force', load: () => import('./commands/policy-show.ts') },
  { name: 'policy check', summary: 'check policies without a server', load: () => import('./commands/policy-check.ts') },
  { name: 'policy test', summary: 'run a table of cases against policies', load: () => import('./commands/policy-test.ts') },
  { name: 'policy apply', summary: 'put policies in force', load: () => import('./commands/policy-apply.ts') },
  { name: 'policy explain', summary: 'what policy decided about a grant', load: () => import('./commands/policy-explain.ts') },
  { name: 'policy replay', summary: 'what a proposed policy would have decided', load: () => import('./commands/policy-replay.ts') },
  { name: 'exception add', summary: 'waive a control for a while', load: () => import('./commands/exception-add.ts') },
  { name: 'exception list', summary: 'exceptions, and which are due for review', load: () => import('./commands/exception-list.ts') },
  { name: 'exception remove', summary: 'let a control hold again', load: () => import('./commands/exception-remove.ts') },
  { name: 'owner add', summary: 'register who answers for what', load: () => import('./commands/owner-add.ts') },
  { name: 'owner list', summary: 'owners, and what has none', load: () => import('./commands/owner-list.ts') },
  { name: 'owner transfer', summary: 'give what is one owner\'s to another', load: () => import('./commands/owner-transfer.ts') },
  { name: 'owner remove', summary: 'remove an owner, and end what is theirs', load: () => import('./commands/owner-remove.ts') },
  { name: 'person add', summary: 'register a person by their SSH keys', load: () => import('./commands/person-add.ts') },
  { name: 'person list', summary: 'registered people', load: () => import('./commands/person-list.ts') },
  { name: 'person remove', summary: 'remove a person', load: () => import('./commands/person-remove.ts') },
  { name: 'entry create', summary: 'register a workload', load: () => import('./commands/entry-create.ts') },
  { name: 'entry show', summary: 'one entry', load: () => import('./commands/entry-show.ts') },
  { name: 'entry list', summary: 'entries, by filter and page', load: () => import('./commands/entry-list.ts') },
  { name: 'entry update', summary: 'change an entry', load: () => import('./commands/entry-update.ts') },
  { name: 'entry delete', summary: 'delete entries and end their SVIDs', load: () => import('./commands/entry-delete.ts') },
  { name: 'entry count', summary: 'how many entries match', load: () => import('./commands/entry-count.ts') },
  { name: 'entry enable', summary: 'let an entry have SVIDs again', load: () => import('./commands/entry-enable.ts') },
  { name: 'entry disable', summary: 'no new SVIDs for an entry', load: () => import('./commands/entry-disable.ts') },
  { name: 'import spire', summary: 'what would move from a SPIRE server, and with --apply move it', load: () => import('./commands/import-spire.ts') },
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
  { name: 'svid watch', summary: 'keep the X.509-SVID of this very process in files, and tell who reads them', load: () => import('./commands/svid-watch.ts') },
  { name: 'bundle show', summary: "the trust domain's authorities, or another's", load: () => import('./commands/bundle-show.ts') },
  { name: 'bundle list', summary: 'trust domains that entries can federate with', load: () => import('./commands/bundle-list.ts') },
  { name: 'bundle set', summary: 'set the bundle of another trust domain', load: () => import('./commands/bundle-set.ts') },
  { name: 'bundle delete', summary: 'delete the bundle of another trust domain', load: () => import('./commands/bundle-delete.ts') },
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
  { name: 'completion', summary: 'a script that lets bash, zsh or fish complete commands', load: async () => ({ command: (await import('./commands/completion.ts')).completionOf(table) }) },
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
