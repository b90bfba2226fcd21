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
  const fields = text.slice(close + 2).trimEnd().split(' ')
  const [state = '', parent = ''] = fields
  const pid = parseDecimal(text.slice(0, open))
  const parentPid = parseDecimal(parent)
  const startTicks = parseDecimal(fields[startField - 3] ?? '')
  if (pid === undefined || parentPid === undefined || startTicks === undefined || !/^[A-Za-z]$/.test(state)) return undefined
  return { pid, comm: text.slice(open + 2, close), state, parentPid, startTicks }
}

/** A decimal number of at most 2^53 without sign; `undefined` for any other text. */
export function parseDecimal(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

const startField = 22
