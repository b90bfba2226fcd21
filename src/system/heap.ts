import process from 'node:process'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { libc } from './linux/libc.ts'

const lookMs = 1_000
/** Of one core: a process that used less since the last look has nothing to do. */
const idleShare = 0.05
const worthBytes = 6e6

/** Between what is collected because it was asked for, and how long a process that never rests may put it off. */
const forgetLooks = 8

/**
 * From now on the garbage of a moment is collected by the thread that made it. V8 divides even a third of a millisecond's work among threads and waits for the last of them: where the cores are
 * taken by others, as on a node that works, that is several milliseconds in which nobody is answered. The young generation is not to grow faster for all that: what it leaves behind, copies of
 * keys too, is overwritten the later the larger it is (`test/timelines/key-traces.test.ts`).
 */
export function shortPauses(): void {
  setFlagsFromString('--no-parallel-scavenge')
}

/** Collects what is garbage, at good moments. */
export interface HeapTrim extends Disposable {
  /** Has garbage collected within ten seconds: what only the collector gives back, as OpenSSL's form of a key, is overwritten then. */
  forgetSoon(): void
}

/**
 * Gives memory back once the work that took it is over. V8 collects when it wants to allocate: a process that has served a burst and then rests keeps the burst's garbage
 * for hours. Looks each second; when the process rests and its heap has grown by half since the last time, everything is collected and the pages returned, those of the C library too. That stops
 * this thread for 50 to 300 ms (measured on a busy machine), once after a burst, and never while there is work. What {@link HeapTrim.forgetSoon} asks for is shorter,
 * and done every eight seconds at most, also while there is work.
 */
export function trimHeapWhenIdle(): HeapTrim {
  let trimmedBytes = 0
  let askedLooksAgo: number | undefined
  let collectedLooksAgo = forgetLooks
  let before = process.cpuUsage()
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before)
    before = process.cpuUsage()
    collectedLooksAgo++
    if (askedLooksAgo !== undefined) askedLooksAgo++
    const isIdle = user + system <= lookMs * 1_000 * idleShare
    const trims = isIdle && getHeapStatistics().total_heap_size >= trimmedBytes * 1.5 + worthBytes
    const forgets = askedLooksAgo !== undefined && collectedLooksAgo >= forgetLooks && (isIdle || askedLooksAgo >= forgetLooks)
    if (!trims && !forgets) return
    askedLooksAgo = undefined
    collectedLooksAgo = 0
    collector()({ type: 'major', execution: 'sync', flavor: trims ? 'last-resort' : 'regular' })
    if (!trims) return
    trimmedBytes = getHeapStatistics().total_heap_size
    libc().malloc_trim?.(0) // what the C library keeps for later, such as OpenSSL's of a burst: 3 to 9 MB
  }, lookMs)
  timer.unref()
  return {
    forgetSoon: () => void (askedLooksAgo ??= 0),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

type Collect = (options: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'regular' | 'last-resort' }) => void

let collect: Collect | undefined

/** V8's own function, which a new context gets while the flag is set; the flag is taken back, so that nobody else has it. */
function collector(): Collect {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect // V8 documents it so
    setFlagsFromString('--no-expose-gc')
  }
  return collect
}
