import type { Catalogue, MetricSpec } from './catalogue.ts'

/** One line of a metric, or the lines of a histogram. */
export interface Series {
  readonly labels: readonly string[]
  /** A histogram's sum. */
  value: number
  /** Of a histogram: how many values. */
  count: number
  /** Of a histogram: how many in each bucket alone. */
  readonly buckets: number[]
}

/** Prometheus' text format 0.0.4; metrics in the order of their catalogue, those without a series left out. */
export function exposition(catalogue: Catalogue, seriesOf: (name: string) => readonly Series[]): string {
  const lines: string[] = []
  for (const [name, spec] of Object.entries(catalogue)) {
    const all = seriesOf(name)
    if (all.length === 0) continue
    lines.push(`# HELP ${name} ${spec.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${name} ${spec.kind}`)
    for (const series of all) lines.push(...linesOf(name, spec, series))
  }
  return `${lines.join('\n')}\n`
}

function linesOf(name: string, spec: MetricSpec, { labels, value, count, buckets }: Series): readonly string[] {
  const pairs = (spec.labels ?? []).map((label, at) => `${label}="${escaped(labels[at] ?? '')}"`)
  if (spec.kind !== 'histogram') return [`${name}${inBraces(pairs)} ${numberText(value)}`]
  let sum = 0
  const bounds = spec.buckets ?? []
  return [
    ...bounds.map((bound, at) => `${name}_bucket${inBraces([...pairs, `le="${bound}"`])} ${(sum += buckets[at] ?? 0)}`),
    `${name}_bucket${inBraces([...pairs, 'le="+Inf"'])} ${count}`,
    `${name}_sum${inBraces(pairs)} ${numberText(value)}`,
    `${name}_count${inBraces(pairs)} ${count}`,
  ]
}

function inBraces(pairs: readonly string[]): string {
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function numberText(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
