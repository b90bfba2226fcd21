/** What one check found. `fail`: it does not work; `warn`: it will not for long, or less well than it could. */
export interface Finding {
  /** Stable, for programs: `agent.clock`. */
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What to do, unless it is well. */
  readonly todo?: string
}

export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail }
}

export function warn(check: string, detail: string, todo: string): Finding {
  return { check, status: 'warn', detail, todo }
}

export function fail(check: string, detail: string, todo: string): Finding {
  return { check, status: 'fail', detail, todo }
}
