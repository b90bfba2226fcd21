import { usage } from '../arguments.ts'
import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { recoveryArguments, runRecovery } from '../recovery.ts'
import { count } from '../verifiers.ts'
import { whenText } from '../when.ts'

export const command: Command = define({
  about:
    'Begins a new epoch, from a backup or, with --in-place, from a database that was copied back: a new authority signs, all others and what they signed are ended, open join tokens are void.\nThe server must be stopped. Agents and verifiers come back by themselves. What was changed since the backup is lost: bans, disablements and entries are to be looked at.',
  options: {
    from: { type: 'string', value: 'FOLDER', help: 'what mayfly server backup made' },
    'in-place': { type: 'boolean', help: 'from the database that is there' },
    data: { type: 'string', value: 'DIR', help: 'data folder of the server' },
    config: { type: 'string', value: 'FILE', help: 'its configuration' },
    reason: { type: 'string', value: 'TEXT', help: 'for the record' },
    'agents-join': { type: 'boolean', help: 'agents do not come back with the SVID they have: each joins with a new token' },
  },
  examples: ['mayfly server restore --from /backup/last --data /var/lib/mayfly --reason "disk lost"', 'mayfly server restore --in-place --config /etc/mayfly/server.yaml'],
  async run({ options: { json, help: _help, ...options } }, { output, clock }) {
    if ((options.from === undefined) === !options['in-place']) throw usage('server restore', 'say --from a backup, or --in-place')
    const done = await runRecovery(['restore', ...recoveryArguments(options)])
    if (json) return output.json(done)
    const takenAtMs = Number(done['takenAtMs'] ?? 0)
    output.line(`restored ${String(done['trustDomain'])}: epoch ${String(done['epoch'])}, authority ${String(done['authorityId']).slice(0, 16)}`)
    output.line(`${count(Number(done['credentials']), 'live credential')} of ${String(done['authoritiesEnded'])} earlier authorities ended; start the server`)
    if (takenAtMs > 0) output.note(`the backup was taken ${whenText(takenAtMs, clock.nowMs())}: what was changed since is lost. look at entries, bans and disabled targets`)
    if (Number(done['vouchers']) === 0) output.note('no key of an earlier authority was there to vouch for the new one: every agent must join with a new token')
  },
})
