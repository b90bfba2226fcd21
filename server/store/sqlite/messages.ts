import type { ErrorCode } from '../../../src/core/errors.ts'
import type { Domain, StreamEvent } from '../port.ts'
import type { OperationName } from './operations.ts'
import type { AppendedRecord } from './tables/journal.ts'

/** What the worker is started with. */
export interface WorkerOptions {
  readonly path: string
  readonly trustDomain: string | undefined
  readonly atMs: number
  readonly readOnly: boolean
  /** Folder of the main thread's module compile cache, when it has one. */
  readonly compileCache: string | undefined
}

/** One call of the port; or the order to close. */
export type Request = CallRequest | { readonly close: true }

export interface CallRequest {
  readonly id: number
  readonly operation: OperationName
  readonly args: readonly unknown[]
}

/** From the worker: once when it is open, then after each commit and for each group of reads. */
export type Reply =
  | { readonly kind: 'opened'; readonly domain: Domain }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'answers'; readonly records: readonly AppendedRecord[]; readonly streamEvents: readonly StreamEvent[]; readonly answers: readonly Answer[]; /** Of a commit that could not be made durable. */ readonly refused?: PlainError }
  | { readonly kind: 'closed' }

export type Answer =
  | { readonly id: number; readonly value: unknown }
  /** JSON text of the value. */
  | { readonly id: number; readonly json: string }
  | { readonly id: number; readonly error: PlainError }

/** An error as it crosses from thread to thread. */
export interface PlainError {
  /** Unset for what is no MayflyError. */
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, string | number | boolean>>
  /** Text of the failure beneath, for the log. */
  readonly cause: string | undefined
}
