/** Between the benchmark and its processes of verifiers or of bare readers. Times are `elapsedMs` of machine.ts, one clock for all processes. */
export type ToVerifiers = { readonly kind: 'connect'; readonly socket: string; readonly relay: string | undefined; readonly count: number; readonly reports: boolean } | { readonly kind: 'watch'; readonly chain: readonly string[] } | { readonly kind: 'verdicts' }

export type FromVerifiers =
  | { readonly kind: 'connected'; readonly count: number }
  | { readonly kind: 'watching'; readonly verdicts: readonly string[] }
  | { readonly kind: 'verdicts'; readonly verdicts: readonly string[] }
  /** All of this process. */
  | { readonly kind: 'refused'; readonly atMs: readonly number[] }

export type ToReaders = { readonly kind: 'read'; readonly socket: string; readonly count: number }
export type FromReaders = { readonly kind: 'reading' } | { readonly kind: 'received'; readonly atMs: readonly number[] }

export type ToBroadcaster = { readonly kind: 'listen'; readonly socket: string } | { readonly kind: 'send'; readonly bytes: number }
export type FromBroadcaster = { readonly kind: 'listening' } | { readonly kind: 'sent'; readonly atMs: number }
