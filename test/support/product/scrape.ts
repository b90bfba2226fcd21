/** One scrape of `/metrics`, taken apart. */
export class Scraped {
  readonly text: string
  readonly #lines: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number }[]

  constructor(text: string) {
    this.text = text
    this.#lines = [...text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text])),
      value: Number(value),
    }))
  }

  /** Names as the catalogue has them. */
  get names(): readonly string[] {
    return [...this.text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name)
  }

  /** Sum of the series with these labels; NaN when there is none. */
  one(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const found = this.#lines.filter((line) => line.name === name && Object.entries(labels).every(([label, value]) => line.labels[label] === value))
    return found.length === 0 ? Number.NaN : found.reduce((sum, { value }) => sum + value, 0)
  }
}

/** @param address `host:port` */
export async function scrape(address: string): Promise<Scraped> {
  const response = await fetch(`http://${address}/metrics`)
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`)
  return new Scraped(await response.text())
}
