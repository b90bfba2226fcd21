import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import type { Clock } from '../ports/clock.ts'
import type { LogFact, Logger } from '../ports/logger.ts'
import type { EndedCall } from '../rpc/call-runner.ts'
import type { Meter } from './meter.ts'

/** What the operating system and Node say of this process, at each scrape. Dispose to stop watching the event loop. */
export function measureProcess(meter: Meter, clock: Clock, version: string): Disposable {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  meter.set('mayfly_build_info', 1, [version])
  meter.set('process_start_time_seconds', Math.round(clock.nowMs() / 1_000 - process.uptime()))
  meter.onScrape(() => {
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    meter.set('process_resident_memory_bytes', rss)
    meter.set('nodejs_heap_size_used_bytes', heapUsed)
    meter.set('process_cpu_seconds_total', (user + system) / 1_000_000)
    meter.set('process_open_fds', readdirSync('/proc/self/fd').length)
    meter.set('nodejs_eventloop_lag_p99_seconds', Math.max(0, delay.percentile(99) / 1e9 - 0.02))
    delay.reset()
  })
  return { [Symbol.dispose]: () => void delay.disable() }
}

/** The same logger, each line of level info and above counted by its event. `also` is told of each. */
export function countedLogger(log: Logger, meter: Meter, also: (fact: LogFact) => void = () => undefined): Logger {
  const counted = (level: 'info' | 'warn' | 'error') => (fact: LogFact, text: string): void => {
    meter.count('mayfly_log_events_total', [level, fact.event])
    also(fact)
    log[level](fact, text)
  }
  return { debug: (fact, text) => log.debug(fact, text), info: counted('info'), warn: counted('warn'), error: counted('error') }
}

/** Counts the calls of one listener, for the `onEnded` of its server. */
export function callObserver(meter: Meter, listener: string): (call: EndedCall) => void {
  return ({ method, status, ms, streaming }) => {
    meter.count('mayfly_rpc_calls_total', [listener, method, status])
    if (!streaming) meter.observe('mayfly_rpc_call_seconds', ms / 1_000, [listener, method])
  }
}

/** Connections and open calls of a listener, at each scrape. */
export function measureListener(meter: Meter, listener: string, server: { readonly connections: number; readonly calls: number }): void {
  meter.onScrape(() => {
    meter.set('mayfly_rpc_connections', server.connections, [listener])
    meter.set('mayfly_rpc_calls_open', server.calls, [listener])
  })
}
