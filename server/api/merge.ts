/** Items of all sources as they come, one pulled ahead of each, so that a slow reader slows them all down. Ends when all have ended; a failure of one is the failure of the whole. */
export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  const pending = new Map(iterators.map((iterator, at) => [at, next(iterator, at)]))
  try {
    while (pending.size > 0) {
      const { at, result } = await Promise.race(pending.values())
      const iterator = iterators[at]
      if (result.done === true || iterator === undefined) {
        pending.delete(at)
      } else {
        pending.set(at, next(iterator, at))
        yield result.value
      }
    }
  } finally {
    // What is still asked for fails or ends with the signal that its source was given; nobody waits for it here.
    for (const promise of pending.values()) promise.catch(() => undefined)
    for (const iterator of iterators) void iterator.return?.().catch(() => undefined)
  }
}

async function next<T>(iterator: AsyncIterator<T>, at: number): Promise<{ readonly at: number; readonly result: IteratorResult<T> }> {
  return { at, result: await iterator.next() }
}
