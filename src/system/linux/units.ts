import { readlinkSync } from 'node:fs'

/** Which run of a unit is the present one, as systemd notes it for root's journal; `undefined` without systemd, or when the unit does not run. */
export function unitInvocation(unit: string): string | undefined {
  if (unit.includes('/') || unit.length > 255) return undefined
  try {
    const target = readlinkSync(`/run/systemd/units/invocation:${unit}`)
    return /^[0-9a-f]{32}$/.test(target) ? target : undefined
  } catch {
    return undefined // not there
  }
}
