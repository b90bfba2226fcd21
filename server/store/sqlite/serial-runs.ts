/** Serials of one bucket without a gap, hexadecimal, both ends included. */
export interface SerialRun {
  readonly first: string
  readonly last: string
}

/**
 * The serials as few runs, in order. A bucket has one row an index at most, so that a range of the ledger from first to last is what was given, as far as it is there.
 * @param serials hexadecimal, 34 digits each
 */
export function runsOf(serials: readonly string[]): SerialRun[] {
  const runs: { first: string; last: string }[] = []
  let run: { first: string; last: string } | undefined
  let next = ''
  for (const serial of serials.toSorted(byText)) {
    const place = serial.slice(0, placeDigits)
    if (run !== undefined && (place === next || serial === run.last)) {
      run.last = serial
    } else {
      run = { first: serial, last: serial }
      runs.push(run)
    }
    next = placeAfter(place)
  }
  return runs
}

/** Shard, minute and index, digits. */
const placeDigits = 18
const indexDigits = 8

function placeAfter(place: string): string {
  const index = Number.parseInt(place.slice(-indexDigits), 16)
  return `${place.slice(0, -indexDigits)}${(index + 1).toString(16).padStart(indexDigits, '0')}`
}

function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
