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
    this.#out.write(`${printable(text)}\n`)
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
    this.#err.write(`${printable(text)}\n`)
  }

  /** Redraws one line on stderr where that is a terminal: progress. */
  progress(text: string): void {
    if (this.isTty) this.#err.write(`\r\u001B[2K${text}`)
  }

  /** Columns aligned by the longest cell of each, two blanks between; the last is never padded. */
  table(header: readonly string[], cells: readonly (readonly string[])[]): void {
    const rows = cells.map((row) => row.map(printable))
    const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
    const format = (row: readonly string[]): string => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()
    for (const row of [header, ...rows]) this.line(format(row))
  }

  /** `name  value` pairs; pairs without a value are left out. */
  facts(pairs: readonly (readonly [name: string, value: string | undefined])[]): void {
    const present = pairs.filter(([, value]) => value !== undefined && value !== '')
    const width = Math.max(0, ...present.map(([name]) => name.length))
    for (const [name, value] of present) this.line(`${name.padEnd(width)}  ${printable(value ?? '')}`)
  }
}

/** Names and reasons come from others: what would steer the terminal, or turn the text around, is shown as `\u001b`, which JSON reads as what it was. Line ends and tabs stay. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
