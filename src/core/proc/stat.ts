/** What is used of `/proc/<pid>/stat`. */
export interface ProcStat {
  readonly pid: number
  /** Chosen by the process itself: may hold spaces and parentheses. */
  readonly comm: string
  readonly state: string
  readonly parentPid: number
  /** Field 22: start in clock ticks since boot. */
  readonly startTicks: number
}

/** Parses `/proc/<pid>/stat`; the name ends at the last parenthesis (proc_pid_stat(5)). `undefined` for any other text. */
export function parseProcStat(text: string): ProcStat | undefined {
  const open = text.indexOf(' (')
  const close = text.lastIndexOf(') ')
  if (open < 1 || close < open + 2) return undefined
  const state = fieldAfter(text, close + 2, 0)
  const pid = parseDecimal(text.slice(0, open))
  const parentPid = parseDecimal(fieldAfter(text, close + 2, 1))
  const startTicks = parseDecimal(fieldAfter(text, close + 2, startField - 3))
  if (pid === undefined || parentPid === undefined || startTicks === undefined || !/^[A-Za-z]$/.test(state)) return undefined
  return { pid, comm: text.slice(open + 2, close), state, parentPid, startTicks }
}

/** The field that comes after so many others; empty when there are fewer. The other forty are not looked at: this is read before each answer to a workload. */
function fieldAfter(text: string, from: number, others: number): string {
  let start = from
  for (let at = 0; at < others; at++) {
    start = text.indexOf(' ', start) + 1
    if (start === 0) return ''
  }
  const end = text.indexOf(' ', start)
  return end === -1 ? text.slice(start).trimEnd() : text.slice(start, end)
}

/** A decimal number of at most 2^53 without sign; `undefined` for any other text. */
export function parseDecimal(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

const startField = 22
