/** One measured number, beside the goal of the design and, where there is one, the limit of the machine measured in the same run. */
export interface Figure {
  readonly id: string
  readonly value: number
  readonly unit: string
  /** What we want to reach, in the same unit. */
  readonly goal?: string
  /** What the machine itself can do, measured in this run, and how. */
  readonly limit?: { readonly value: number; readonly unit: string; readonly of: string }
  /** What else the reader must know: counts, sizes, percentiles beside the one of the id. */
  readonly note?: string
}

export interface Report {
  readonly name: string
  readonly figures: readonly Figure[]
}

/** The value below which `share` (0..1) of the samples lie; nearest rank. Zero for none. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? 0
}

/** Three significant digits. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}

export function printTable(report: Report): void {
  console.log(`\n${report.name}`)
  for (const figure of report.figures) {
    const goal = figure.goal === undefined ? '' : `  goal ${figure.goal}`
    const limit = figure.limit === undefined ? '' : `  limit ${rounded(figure.limit.value)} ${figure.limit.unit} (${figure.limit.of})`
    console.log(`  ${figure.id.padEnd(34)} ${String(rounded(figure.value)).padStart(9)} ${figure.unit}${goal}${limit}${figure.note === undefined ? '' : `\n      ${figure.note}`}`)
  }
}
