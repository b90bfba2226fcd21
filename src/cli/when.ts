import { formatDuration } from '../core/duration.ts'

/** `in 7m30s`, `12s ago`, `now`; empty for 0, which is unset on the wire. */
export function whenText(atMs: number, nowMs: number): string {
  if (atMs === 0) return ''
  const distanceMs = atMs - nowMs
  if (Math.abs(distanceMs) < 1_000) return 'now'
  return distanceMs > 0 ? `in ${formatDuration(distanceMs)}` : `${formatDuration(-distanceMs)} ago`
}

/** `2026-11-22T08:40:00.000Z`; empty for 0. */
export function timeText(atMs: number): string {
  return atMs === 0 ? '' : new Date(atMs).toISOString()
}

/** `08:40:00.123`, of the day in this machine's zone. */
export function clockText(atMs: number): string {
  const at = new Date(atMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
