/** What a figure is, as the page and the exposition say it. Names and labels are promises: dashboards and alerts stand on them. */
export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** In the order that values are given in; none when unset. */
  readonly labels?: readonly string[]
  /** Upper bounds of a histogram, rising, in the unit of its name. */
  readonly buckets?: readonly number[]
}

/** By name, with its unit in it: `_seconds`, `_bytes`, `_total`. */
export type Catalogue = Readonly<Record<string, MetricSpec>>

const callBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Of each process of mayfly. Names of the process itself are those that Prometheus' own client libraries use. */
export const commonCatalogue: Catalogue = {
  mayfly_build_info: { kind: 'gauge', help: 'Always 1; the version is its label', labels: ['version'] },
  mayfly_ready: { kind: 'gauge', help: '1 while /ready answers 200' },
  mayfly_rpc_calls_total: { kind: 'counter', help: 'gRPC calls that ended, by status; OK for those that succeeded', labels: ['listener', 'method', 'status'] },
  mayfly_rpc_call_seconds: { kind: 'histogram', help: 'How long unary gRPC calls took', labels: ['listener', 'method'], buckets: callBuckets },
  mayfly_rpc_calls_open: { kind: 'gauge', help: 'gRPC calls in progress, streams included', labels: ['listener'] },
  mayfly_rpc_connections: { kind: 'gauge', help: 'Open connections', labels: ['listener'] },
  mayfly_log_events_total: { kind: 'counter', help: 'Log lines of level info and above, by event (events.md), whatever the log level', labels: ['level', 'event'] },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Resident memory of the process' },
  process_cpu_seconds_total: { kind: 'counter', help: 'User and system CPU time, all threads' },
  process_open_fds: { kind: 'gauge', help: 'Open file descriptors' },
  process_start_time_seconds: { kind: 'gauge', help: 'When the process started, seconds since the epoch' },
  nodejs_heap_size_used_bytes: { kind: 'gauge', help: 'Heap in use, main thread' },
  nodejs_eventloop_lag_p99_seconds: { kind: 'gauge', help: 'p99 of the delay of the event loop since the scrape before' },
}
