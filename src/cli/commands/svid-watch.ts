import { resolve } from 'node:path'
import process from 'node:process'
import { MayflyError } from '../../core/errors.ts'
import { parseDurationMs } from '../../core/duration.ts'
import { serviceManager } from '../../system/main-process.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import type { Context } from '../context.ts'
import type { PlaceOptions } from '../places.ts'
import { SvidFileSet } from '../svid-files/file-set.ts'
import type { SvidFileNames } from '../svid-files/file-set.ts'
import { heldStates } from '../svid-files/held.ts'
import { keepFiles } from '../svid-files/keep.ts'
import type { FilesEvent } from '../svid-files/keep.ts'
import { parseSignalName, readyAfter, type Reload } from '../svid-files/reader.ts'
import { svidToJson, watchSvids } from '../svids.ts'
import type { FetchedSvid } from '../svids.ts'
import { clockText, whenText } from '../when.ts'

export const command: Command = define({
  arguments: '--dir DIR [-- <reload command> [argument…]]',
  positionals: [0, 0],
  about: [
    'Keeps the X.509-SVID of this very process in files, for a program that only reads files: svid.pem, key.pem, bundle.pem, and crl.pem where the',
    'entry asks for lists. All are replaced together with each rotation, and the command after -- is run, or a signal sent. When the identity is',
    'revoked they are removed, and the command is run with MAYFLY_SVID_STATE=withdrawn. Runs until SIGTERM or Ctrl-C: docs/svid-files.md.',
  ].join('\n'),
  options: {
    dir: { type: 'string', value: 'DIR', help: 'where the files are kept; made, of mode 0700, when it is not there' },
    as: { type: 'string', value: 'ID', help: 'the SPIFFE ID, or its path; may be left out when this user has only one' },
    hint: { type: 'string', value: 'TEXT', help: 'the one with this hint' },
    'svid-file': { type: 'string', value: 'NAME', help: 'certificates, leaf first; svid.pem' },
    'key-file': { type: 'string', value: 'NAME', help: 'the private key, mode 0600; key.pem' },
    'bundle-file': { type: 'string', value: 'NAME', help: "the trust domain's authorities; bundle.pem" },
    'crl-file': { type: 'string', value: 'NAME', help: 'lists of revoked certificates; crl.pem' },
    'combined-file': { type: 'string', value: 'NAME', help: 'certificates and key in one more file, as HAProxy wants them' },
    group: { type: 'string', value: 'GID', help: 'a group that may read the key too: modes 0640 and 0750' },
    signal: { type: 'string', value: 'NAME', help: 'send this, as SIGHUP, to the process of --pid-file in place of a command' },
    'pid-file': { type: 'string', value: 'FILE', help: 'where that process says its pid' },
    'reload-timeout': { type: 'string', value: 'TIME', help: 'how long the command may take; 30s' },
    once: { type: 'boolean', help: 'end once the files are there and the command has run' },
    'remove-on-exit': { type: 'boolean', help: 'remove the files when this ends' },
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock' },
    ...dataFolder,
  },
  examples: [
    'mayfly svid watch --dir /run/web/tls -- nginx -s reload',
    'mayfly svid watch --dir /run/db/tls --signal SIGHUP --pid-file /run/postgresql/main.pid',
    'mayfly svid watch --dir /run/init/tls --as /job --once',
  ],
  async run({ options, rest }, context) {
    const { signal, clock, output } = context
    if (options.dir === undefined) throw usage('svid watch', '--dir is missing')
    const names: SvidFileNames = {
      svid: options['svid-file'] ?? 'svid.pem',
      key: options['key-file'] ?? 'key.pem',
      bundle: options['bundle-file'] ?? 'bundle.pem',
      crl: options['crl-file'] ?? 'crl.pem',
      ...(options['combined-file'] === undefined ? {} : { combined: options['combined-file'] }),
    }
    const reloadLimitMs = parseDurationMs(options['reload-timeout'] ?? '30s')
    const groupId = groupIdOf(options.group)
    reloadOf(options, rest, {}) // what is wrong with it is said before anything is made
    using manager = await serviceManager([])
    using set = await SvidFileSet.open(resolve(context.cwd, options.dir), { names, ...(groupId === undefined ? {} : { groupId }) })
    const reload = reloadOf(options, rest, { MAYFLY_SVID_FILE: set.path('svid'), MAYFLY_KEY_FILE: set.path('key'), MAYFLY_BUNDLE_FILE: set.path('bundle') })
    const say = sayer(context, options.json)
    try {
      await keepFiles(
        (until) => heldStates(() => heard(options, context, until), { id: options.as, hint: options.hint }, { clock, signal: until, lost: (why) => (options.json ? output.json({ atMs: clock.nowMs(), event: 'lost', why }) : output.note(`mayfly: the agent is away: ${why}; the files stay as they are`)) }),
        {
          set,
          reload,
          reloadLimitMs,
          clock,
          signal,
          once: options.once,
          say: (event) => {
            say(event)
            if (event.kind === readyAfter(reload)) manager?.ready(`the files in ${set.directory} are kept`)
          },
        },
      )
    } finally {
      manager?.stopping()
      if (options['remove-on-exit']) await set.remove()
    }
  },
})

/** A connection of its own each time: the agent's socket may have been made anew. */
async function* heard(options: PlaceOptions, context: Context, signal: AbortSignal): AsyncGenerator<readonly FetchedSvid[]> {
  using workloadApi = await connectWorkloadApi(options, context)
  yield* watchSvids(workloadApi, signal)
}

function reloadOf(options: { readonly signal: string | undefined; readonly 'pid-file': string | undefined }, argv: readonly string[], env: Readonly<Record<string, string>>): Reload {
  const { signal, 'pid-file': pidFile } = options
  if (signal === undefined && pidFile === undefined) return argv.length === 0 ? { kind: 'none' } : { kind: 'command', argv, env }
  if (argv.length > 0) throw usage('svid watch', 'a command and a signal are one too many', 'leave out --signal and --pid-file, or what follows --')
  if (signal === undefined || pidFile === undefined) throw usage('svid watch', signal === undefined ? '--signal is missing' : '--pid-file is missing')
  return { kind: 'signal', signal: parseSignalName(signal), pidFile }
}

function groupIdOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,10}$/.test(text)) throw new MayflyError('USAGE', `${JSON.stringify(text)} is no number of a group`, { hint: 'getent group NAME prints it' })
  const groupId = Number(text)
  const mine = [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])]
  if (process.geteuid?.() !== 0 && !mine.includes(groupId)) throw new MayflyError('USAGE', `this user is not in the group ${groupId}`, { hint: `it may give files to ${[...new Set(mine)].join(', ')}` })
  return groupId
}

function sayer({ output, clock }: Context, json: boolean): (event: FilesEvent) => void {
  return (event) => {
    const atMs = clock.nowMs()
    const { kind } = event
    if (json) {
      const { kind: _, ...facts } = event
      output.json({ atMs, event: kind, ...('svid' in facts ? svidToJson(facts.svid) : facts) })
      return
    }
    const time = clockText(atMs)
    switch (kind) {
      case 'written':
        return output.line(`${time}  written    ${event.svid.spiffeId}  ${event.svid.serial}  ends ${whenText(event.svid.leaf.notAfterMs, atMs)}`)
      case 'withdrawn':
        return output.line(`${time}  withdrawn  ${event.why}`)
      case 'reloaded':
        return output.line(`${time}  reloaded`)
      case 'unwritten':
        return output.note(`mayfly: the files cannot be written, it is tried again: ${event.why}`)
      case 'reload_failed':
        return output.note(`mayfly: the reader of the files was not told, it is tried again: ${event.why}`)
      default:
        return kind satisfies never
    }
  }
}
