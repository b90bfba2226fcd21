/**
 * Items of all sources in the order in which they come, one pulled ahead of each, so that a slow reader slows them all down. Ends when all have ended; a failure of one is the
 * failure of the whole.
 */
export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  const arrived: Arrival<T>[] = []
  let wake: (() => void) | undefined
  // Not a race of what is asked for: a source that is quiet for days would hold everything that the others won.
  const ask = (iterator: AsyncIterator<T>): void => {
    const arrive = (arrival: Arrival<T>): void => {
      arrived.push(arrival)
      wake?.()
    }
    iterator.next().then(
      (result) => arrive({ iterator, result }),
      (cause: unknown) => arrive({ iterator, cause }),
    )
  }
  try {
    for (const iterator of iterators) ask(iterator)
    for (let open = iterators.length; open > 0; ) {
      const first = arrived.shift()
      if (first === undefined) {
        await new Promise<void>((resolve) => (wake = resolve))
      } else if (first.result === undefined) {
        throw first.cause
      } else if (first.result.done === true) {
        open--
      } else {
        ask(first.iterator)
        yield first.result.value
      }
    }
  } finally {
    // What is still asked for fails or ends with the signal that its source was given; nobody waits for it here.
    for (const iterator of iterators) void iterator.return?.().catch(() => undefined)
  }
}

/** What a source had to say; it is asked for more when this has been taken. */
type Arrival<T> =
  | { readonly iterator: AsyncIterator<T>; readonly result: IteratorResult<T> }
  | { readonly iterator: AsyncIterator<T>; readonly result?: undefined; readonly cause: unknown }
