import { MayflyError } from './errors.ts'

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of `90s`, `5m`, `1h30m`, `7d`; a bare number is refused. @throws {MayflyError} DURATION_INVALID */
export function parseDurationMs(text: string): number {
  if (!/^(\d{1,9}(ms|s|m|h|d))+$/.test(text)) {
    throw new MayflyError('DURATION_INVALID', `not a duration: ${JSON.stringify(text.slice(0, 40))}`, { hint: 'write it as 30s, 5m, 1h30m or 7d' })
  }
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(count) * unitsMs[unit as keyof typeof unitsMs] // the pattern allows these units only
  }
  return total
}

/** The shortest spelling with at most two units: `1h30m`, `14m59s`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`
  const parts: string[] = []
  let rest = Math.floor(ms / 1_000) * 1_000
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / unitsMs[unit])
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * unitsMs[unit]
  }
  return parts.slice(0, 2).join('')
}
