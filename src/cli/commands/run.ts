import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

import { MayflyError } from '../../core/errors.ts'
import { isSpiffeId, pathOf } from '../../core/spiffe-id.ts'
import type { Clock } from '../../ports/clock.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { givenEnvironment } from '../compile-cache.ts'
import { connectServer, connectWorkloadApi } from '../connection.ts'
import type { Context } from '../context.ts'
import { entryToJson } from '../entries.ts'
import { asksForGrant, grantOptions, grantRequestOf, type GrantValues } from '../grant-options.ts'
import { typedId } from '../ids.ts'
import { passSignals } from '../pass-signals.ts'
import { placesOf } from '../places.ts'
import type { PlaceOptions } from '../places.ts'
import { whyNotRun, whyNotStarted } from '../program.ts'
import type { NotRun } from '../program.ts'
import { pemOf, watchSvids } from '../svids.ts'
import type { FetchedSvid } from '../svids.ts'
import { obstaclesOf } from '../why/id.ts'
import { svidPaths, writeSvid } from '../write-svid.ts'

export const command: Command = define({
  arguments: '-- <command> [argument…]',
  positionals: [0, 0],
  about: [
    'Runs a program with an identity: SPIFFE_ENDPOINT_SOCKET for SPIFFE clients, and MAYFLY_SVID_FILE, MAYFLY_KEY_FILE and',
    'MAYFLY_BUNDLE_FILE for all others, PEM files in a private folder that are kept rotated and are gone when it ends.',
    'The exit code is the program\'s; as a shell has it, 127 when there is no such program and 126 when it cannot be executed.',
    'With --do it asks for a grant: an identity for this one task, which ends with the program. Its SVID is on the grant\'s own socket',
    'alone, for the program and what it starts; there are no files. 124: the grant ended before the program did.',
  ].join('\n'),
  options: {
    as: { type: 'string', value: 'ID', help: 'the SPIFFE ID, or its path; may be left out when this user has only one' },
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock' },
    ...grantOptions,
    ...dataFolder,
  },
  examples: [
    'mayfly run --as spiffe://example.org/deploy-bot --do write --on db:orders --reason "migration 42" --ticket CHG-7 --ttl 10m -- ./migrate.sh',
    'mayfly run --as spiffe://example.org/web -- ./server',
    'mayfly run --as /backup -- sh -c \'curl --cert "$MAYFLY_SVID_FILE" --key "$MAYFLY_KEY_FILE" --cacert "$MAYFLY_BUNDLE_FILE" https://peer:8443\'',
  ],
  async run({ options, rest: [program, ...args] }, context) {
    const { output, signal, clock } = context
    if (program === undefined) throw usage('run', 'a command after -- is missing')
    const obstacle = whyNotRun(program) // before anything is asked for
    if (obstacle !== undefined) return notRun(obstacle, context)
    if (asksForGrant(options)) return await runGrant(options, [program, ...args], context)
    const places = placesOf(options, context)
    const ended = new AbortController()
    using workloadApi = await connectWorkloadApi(options, context)
    const until = AbortSignal.any([signal, ended.signal])
    const states = watchSvids(workloadApi, until)
    const wanted = await firstWanted(states, options, context)

    const folder = await privateFolder()
    const paths = svidPaths(folder)
    try {
      await writeSvid(paths, pemOf(wanted))
      // From here on signals are the program's: while it lives its identity is kept, and its key is not left behind.
      passSignals((name) => void child.kill(name))
      const child = spawn(program, args, {
        stdio: 'inherit',
        env: { ...givenEnvironment(), SPIFFE_ENDPOINT_SOCKET: `unix://${places.workloadSocket}`, MAYFLY_SVID_FILE: paths.svid, MAYFLY_KEY_FILE: paths.key, MAYFLY_BUNDLE_FILE: paths.bundle },
      })
      const rotating = keepRotated(wanted, states, () => watchSvids(workloadApi, until), {
        write: (svid) => writeSvid(paths, pemOf(svid)),
        say: (text) => output.note(text),
        clock,
        until,
      })
      const code = await exitCodeOfChild(child, program, context)
      ended.abort()
      await rotating
      return code
    } finally {
      ended.abort()
      await rm(folder, { recursive: true, force: true })
    }
  },
})

async function runGrant(options: PlaceOptions & GrantValues & { readonly as: string | undefined; readonly json: boolean }, argv: readonly string[], context: Context): Promise<number> {
  using agent = await connectWorkloadApi(options, context)
  const request = grantRequestOf('run', options.as ?? '', options)
  const { runTask } = await import('../grant-task.ts')
  return await runTask(agent, { request, argv, json: options.json }, context)
}

/** Of mode 0700; in memory where this user has a folder there, which XDG_RUNTIME_DIR may name without it being so, as after su. */
async function privateFolder(): Promise<string> {
  const runtime = process.env['XDG_RUNTIME_DIR']
  if (runtime !== undefined && runtime !== '') {
    try {
      return await mkdtemp(join(runtime, 'mayfly-run-'))
    } catch {
      // not there, or not this user's
    }
  }
  return await mkdtemp(join(tmpdir(), 'mayfly-run-'))
}

/** The identity asked for, from the first answer. @throws {MayflyError} NO_IDENTITY, with the one command that mends it */
async function firstWanted(states: AsyncGenerator<readonly FetchedSvid[]>, options: PlaceOptions & { readonly as: string | undefined }, context: Context): Promise<FetchedSvid> {
  const { as } = options
  const held = await firstState(states)
  const [only, second] = held
  if (as === undefined) {
    if (only !== undefined && second === undefined) return only
    const ids = held.map((svid) => svid.spiffeId)
    if (ids.length > 1) throw usage('run', 'this user has several identities', `say which: --as ${ids.join(', --as ')}`)
    throw new MayflyError('NO_IDENTITY', 'no entry gives this user an identity', { hint: createCommand('/NAME') })
  }
  const found = held.find((svid) => svid.spiffeId === as || (!isSpiffeId(as) && isSpiffeId(svid.spiffeId) && pathOf(svid.spiffeId) === as))
  if (found === undefined) throw new MayflyError('NO_IDENTITY', `not entitled to ${as}`, { hint: (await knownObstacle(as, options, context)) ?? createCommand(as) })
  return found
}

async function firstState(states: AsyncGenerator<readonly FetchedSvid[]>): Promise<readonly FetchedSvid[]> {
  try {
    const { value } = await states.next()
    return value ?? []
  } catch (error) {
    if (error instanceof MayflyError && error.status === 'PERMISSION_DENIED') return []
    throw error
  }
}

function createCommand(id: string): string {
  return `mayfly entry create --id ${id} --selector unix:uid:${userInfo().uid}`
}

/** Where this user may ask the server: what stands in the way of the ID, when it is not just that no entry has it. */
async function knownObstacle(as: string, options: PlaceOptions, context: Context): Promise<string | undefined> {
  try {
    using server = await connectServer(options, context)
    const id = await typedId(as, server, context.signal)
    const { entries } = await server.unary('mayfly.v1.Registry', 'ListEntries', { filter: { spiffeId: { value: id } }, pageSize: 50 }, { signal: context.signal, timeoutMs: 3_000 })
    if (entries.length === 0) return undefined
    const [obstacle] = await obstaclesOf(id, entries.map((entry) => entryToJson(entry)), server, context)
    return obstacle?.mend
  } catch (error) {
    if (error instanceof MayflyError) return undefined // not an admin, or no server here
    throw error
  }
}

interface Rotation {
  readonly write: (svid: FetchedSvid) => Promise<void>
  readonly say: (text: string) => void
  readonly clock: Clock
  readonly until: AbortSignal
}

/** Writes each new state of the identity until the program ends; asks again when the agent goes away or takes the identity back, and says so once. */
async function keepRotated(first: FetchedSvid, states: AsyncGenerator<readonly FetchedSvid[]>, again: () => AsyncGenerator<readonly FetchedSvid[]>, { write, say, clock, until }: Rotation): Promise<void> {
  let well = true
  for (let source = states; !until.aborted; source = again()) {
    try {
      for await (const state of source) {
        const next = state.find((svid) => svid.spiffeId === first.spiffeId)
        if (next === undefined) throw new MayflyError('NO_IDENTITY', 'it was withdrawn')
        await write(next) // also when only the bundle changed
        if (!well) say(`mayfly: ${first.spiffeId} is kept rotated again`)
        well = true
      }
    } catch (error) {
      if (until.aborted) return
      if (well) say(`mayfly: ${first.spiffeId} is not kept rotated for now: ${error instanceof Error ? error.message : String(error)}`)
      well = false
    }
    await clock.sleep(1_000, until).catch(() => undefined)
  }
}

async function exitCodeOfChild(child: ReturnType<typeof spawn>, program: string, context: Context): Promise<number> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null] // what 'exit' is emitted with
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
  } catch (error) {
    return notRun(whyNotStarted(program, error), context)
  }
}

function notRun({ text, exitCode }: NotRun, { output }: Context): number {
  for (const line of text.split('\n')) output.note(line)
  return exitCode
}
