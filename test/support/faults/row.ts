import type { Audit } from './audit.ts'
import { classes } from './audit.ts'

/** One row for docs/faults.md: when the revoked one was last accepted after the acknowledgement, by class, and how long it took until all was well after the fault. */
export function row(fault: string, audit: Audit, recoveredMs: number): void {
  const last = classes.map((given) => {
    const afterMs = audit.lastAccepted(audit.bad, given)
    return `${given} ${afterMs < 0 ? 'not at all' : `${(afterMs / 1_000).toFixed(2)} s`}`
  })
  process.stderr.write(`fault: ${fault}: the revoked one was last accepted after ${last.join(', ')}; all well ${(recoveredMs / 1_000).toFixed(1)} s after the fault\n`)
}
