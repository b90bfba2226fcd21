/** Rows that have fields in common, each of those said once. */
export interface CommonFields<T extends object> {
  readonly common: Partial<T>
  readonly rows: readonly Partial<T>[]
}

/** Of rows whose values are texts and numbers. What {@link spreadCommon} gives again, field by field. */
export function shareCommon<T extends object>(rows: readonly T[]): CommonFields<T> {
  const [first] = rows
  const common: Partial<T> = {}
  for (const key in first) if (rows.every((row) => row[key] === first[key])) common[key] = first[key]
  return {
    common,
    rows: rows.map((row) => {
      const own: Partial<T> = {}
      for (const key in row) if (!(key in common)) own[key] = row[key]
      return own
    }),
  }
}

export function spreadCommon<T extends object>({ common, rows }: CommonFields<T>): T[] {
  return rows.map((row) => ({ ...common, ...row }) as T) // between them they have what the row had
}
