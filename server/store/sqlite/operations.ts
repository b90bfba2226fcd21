import type { JournalRecord } from '../../journal/records.ts'
import type { Store } from '../port.ts'
import type { Json } from './json.ts'
import type { PackedRequests, PackedResults } from './packing.ts'
import type { Tables } from './tables/tables.ts'

/** The parts of the port whose calls run in the worker. */
type Area = Exclude<{ [K in keyof Store]: K extends 'domain' | 'lost' | symbol ? never : K }[keyof Store], symbol>
type NameIn<A extends Area> = Exclude<`${A}.${keyof Store[A] & string}`, 'journal.onCommit' | 'journal.onRefused' | 'journal.waiting'>

/** `entries.create`, `stream.head`, …: a call of the port. */
export type OperationName = { [A in Area]: NameIn<A> }[Area]

type MethodOf<N extends OperationName> = N extends `${infer A extends Area}.${infer K}` ? (K extends keyof Store[A] ? Store[A][K] : never) : never
export type ArgsOf<N extends OperationName> = N extends 'credentials.reserve' ? [requests: PackedRequests, atMs: number] : N extends 'credentials.release' ? [serials: Uint8Array, atMs: number] : MethodOf<N> extends (...args: infer A) => unknown ? A : never
export type ResultOf<N extends OperationName> = N extends 'credentials.reserve' ? PackedResults : MethodOf<N> extends (...args: never) => Promise<infer R> ? R : never

/** Calls that change nothing and ask only the tables. */
export type ReadName =
  | `entries.${'byId' | 'list' | 'count'}`
  | `agents.${'byId' | 'list' | 'count'}`
  | `credentials.${'bySerial' | 'bySerials' | 'list' | 'count' | 'prunedBefore' | 'uses'}`
  | `authorities.${'all' | 'bundleSequence'}`
  | 'bundles.list'
  | `grants.${'byId' | 'asRequested' | 'byKey' | 'list' | 'count' | 'live' | 'steps' | 'decisions' | 'decisionsSince'}`
  | `roles.${'byName' | 'all'}`
  | `owners.${'all' | 'unowned'}`
  | `people.${'byName' | 'all'}`
  | `policies.${'current' | 'byHash' | 'history'}`
  | 'exceptions.all'
  | `targets.${'disabled' | 'unfinished'}`
  | 'verifiers.all'
  | 'recovery.rolledBack'
  | `stream.${'head' | 'eventsAfter' | 'load'}`
  | `journal.${'head' | 'from'}`
/** Calls that ask the engine itself. */
export type EngineName = 'journal.verify' | 'journal.figures' | 'recovery.copyTo' | 'journal.probe'
/** Calls that change something. */
export type CommandName = Exclude<OperationName, ReadName | EngineName>

/** What a command decided: the records that say it, and the answer, asked for once they are applied. */
export interface Decision<R> {
  readonly records: readonly JournalRecord[]
  result(): R
}

/** Decides and changes nothing: reads the tables, returns records. Throws MayflyError to refuse. */
export type Command<N extends OperationName> = (tables: Tables, ...args: ArgsOf<N>) => Decision<ResultOf<N>>
/** Reads durable state. */
export type Read<N extends OperationName> = (tables: Tables, ...args: ArgsOf<N>) => ResultOf<N> | Json<ResultOf<N>>
