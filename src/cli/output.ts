/** Where a command prints. Plain text is for people and may change; `--json` is for programs and keeps its shape. */
export class Output {
  readonly isTty: boolean
  readonly #out: NodeJS.WritableStream
  readonly #err: NodeJS.WritableStream
  readonly #columns: () => number

  constructor(out: NodeJS.WritableStream, err: NodeJS.WritableStream, terminal: { readonly isTty: boolean; readonly columns: () => number }) {
    this.#out = out
    this.#err = err
    this.isTty = terminal.isTty
    this.#columns = terminal.columns
  }

  get columns(): number {
    return this.#columns()
  }

  line(text = ''): void {
    this.#out.write(`${text}\n`)
  }

  /** As it is, without a line end: redrawing, PEM. */
  raw(text: string): void {
    this.#out.write(text)
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  /** On stderr, where it does not mix with a result that is piped on. */
  note(text: string): void {
    this.#err.write(`${text}\n`)
  }

  /** Redraws one line on stderr where that is a terminal: progress. */
  progress(text: string): void {
    if (this.isTty) this.#err.write(`\r\u001B[2K${text}`)
  }

  /** Columns aligned by the longest cell of each, two blanks between; the last is never padded. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
    const format = (row: readonly string[]): string => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()
    for (const row of [header, ...rows]) this.line(format(row))
  }

  /** `name  value` pairs; pairs without a value are left out. */
  facts(pairs: readonly (readonly [name: string, value: string | undefined])[]): void {
    const present = pairs.filter(([, value]) => value !== undefined && value !== '')
    const width = Math.max(0, ...present.map(([name]) => name.length))
    for (const [name, value] of present) this.line(`${name.padEnd(width)}  ${value ?? ''}`)
  }
}
