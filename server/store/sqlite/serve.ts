import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { MayflyError } from '../../../src/core/errors.ts'
import { commands } from './commands/commands.ts'
import { storeError } from './database.ts'
import { Engine, type Decide, type StepListener } from './engine.ts'
import type { Answer, CallRequest, PlainError, Reply, Request, WorkerOptions } from './messages.ts'
import { Json } from './json.ts'
import type { CommandName, Decision, ReadName } from './operations.ts'
import { reads } from './queries/reads.ts'
import type { Tables } from './tables/tables.ts'

/** At most this many calls share one commit, so that none waits for long. */
const maxCallsAtOnce = 512

/**
 * The store's worker: opens the file, then takes all calls that wait at the port at once, commits the commands among them together and answers the
 * reads after. A commit's records, its stream events and the answers of its commands leave in one message, once it is durable.
 */
export function serveStore(port: MessagePort, options: WorkerOptions, step?: StepListener): void {
  const send = (reply: Reply): void => port.postMessage(reply)
  let engine: Engine
  try {
    engine = new Engine(options, step)
    send({ kind: 'opened', domain: engine.openDomain(options.trustDomain, options.atMs) })
  } catch (error) {
    send({ kind: 'failed', error: plain(storeError(error, 'the store could not be opened')) })
    port.close()
    return
  }
  port.on('message', (first: Request) => {
    const { calls, close } = waiting(port, first)
    const changes = calls.filter(isCommand)
    if (changes.length > 0) {
      send(change(engine, changes))
      step?.('answered')
    }
    for (const call of calls.filter(isLong)) beside(engine, call, (result) => send(answers({ id: call.id, ...result })))
    const others = calls.filter((call) => !isCommand(call) && !isLong(call))
    if (others.length > 0) send(answers(...others.map((call) => answer(engine, call))))
    if (close) {
      engine.close()
      send({ kind: 'closed' })
      port.close()
    }
  })
}

/** An operation whose arguments were checked on the main thread, by its types. */
type Untyped<R> = (tables: Tables, ...args: readonly unknown[]) => R

type CommandCall = CallRequest & { readonly operation: CommandName }

function isCommand(call: CallRequest): call is CommandCall {
  return Object.hasOwn(commands, call.operation)
}

/** The first request and those that wait behind it, up to the order to close. */
function waiting(port: MessagePort, first: Request): { calls: CallRequest[]; close: boolean } {
  const calls: CallRequest[] = []
  let request: Request | undefined = first
  while (request !== undefined) {
    if ('close' in request) return { calls, close: true }
    calls.push(request)
    if (calls.length >= maxCallsAtOnce) break
    request = (receiveMessageOnPort(port) satisfies { message: Request } | undefined)?.message
  }
  return { calls, close: false }
}

function change(engine: Engine, calls: readonly CommandCall[]): Reply {
  const { outcomes, records, streamEvents } = engine.commit(calls.map(decideOf))
  const settled = outcomes.map((outcome, at): Answer => {
    const id = calls[at]?.id ?? 0
    return outcome.ok ? { id, value: outcome.value } : { id, error: plain(outcome.error) }
  })
  const refused = outcomes.find((outcome) => !outcome.ok && outcome.error instanceof MayflyError && outcome.error.code === 'STORE_UNWRITABLE')
  return { kind: 'answers', records, streamEvents, answers: settled, ...(refused === undefined || refused.ok ? {} : { refused: plain(refused.error) }) }
}

/** What is done a little at a time, between other calls. */
function isLong({ operation }: CallRequest): boolean {
  return operation === 'journal.verify' || operation === 'recovery.copyTo'
}

function beside(engine: Engine, call: CallRequest, done: (result: { value: unknown } | { error: PlainError }) => void): void {
  if (call.operation === 'journal.verify') return verifyBeside(engine, done)
  void copyBeside(engine, String(call.args[0]), done)
}

async function copyBeside(engine: Engine, path: string, done: (result: { value: unknown } | { error: PlainError }) => void): Promise<void> {
  try {
    done({ value: await engine.copyTo(path) })
  } catch (error) {
    done({ error: plain(error) })
  }
}

/** Verifies the journal in steps between which other calls are taken. */
function verifyBeside(engine: Engine, done: (result: { value: unknown } | { error: PlainError }) => void): void {
  const verification = engine.verify()
  const step = (): void => {
    try {
      const { done: finished, value } = engine.read(() => verification.next())
      if (finished === true) done({ value })
      else setImmediate(step)
    } catch (error) {
      done({ error: plain(error) })
    }
  }
  step()
}

function answers(...given: readonly Answer[]): Reply {
  return { kind: 'answers', records: [], streamEvents: [], answers: given }
}

function decideOf(call: CommandCall): Decide<unknown> {
  const command = commands[call.operation] as Untyped<Decision<unknown>> // name and arguments come from the same typed call of the main thread
  return (tables) => command(tables, ...call.args)
}

function answer(engine: Engine, call: CallRequest): Answer {
  try {
    const value = engine.read((tables) => {
      if (call.operation === 'journal.figures') return engine.figures()
      if (call.operation === 'journal.probe') return engine.probe()
      const read = reads[call.operation as ReadName] as Untyped<unknown> | undefined // what is no command and not above is a read
      if (read === undefined) throw new MayflyError('UNIMPLEMENTED', `the store has no call ${call.operation}`)
      return read(tables, ...call.args)
    })
    return value instanceof Json ? { id: call.id, json: value.text } : { id: call.id, value }
  } catch (error) {
    return { id: call.id, error: plain(error) }
  }
}

function plain(error: unknown): PlainError {
  const cause = error instanceof MayflyError ? error.cause : error
  return {
    code: error instanceof MayflyError ? error.code : undefined,
    message: error instanceof Error ? error.message : String(error),
    hint: error instanceof MayflyError ? error.hint : undefined,
    details: error instanceof MayflyError ? error.details : {},
    cause: cause instanceof Error ? (cause.stack ?? cause.message) : undefined,
  }
}
