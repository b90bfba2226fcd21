import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { merge } from '../../../server/api/merge.ts'

async function* of<T>(...items: T[]): AsyncGenerator<T> {
  yield* items
}

/** Says nothing until it is left. */
function quiet<T>(): AsyncIterable<T> & { readonly left: Promise<void> } {
  const over = Promise.withResolvers<void>()
  return {
    left: over.promise,
    [Symbol.asyncIterator]: () => ({
      next: () => over.promise.then(() => ({ done: true, value: undefined })),
      return: async () => {
        over.resolve()
        return { done: true, value: undefined }
      },
    }),
  }
}

describe('merge', () => {
  test('gives every item of every source once, each source in its order, and then ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.nat())), async (lists) => {
        const given: { readonly source: number; readonly item: number }[] = []
        for await (const one of merge(lists.map((list, source) => of(...list.map((item) => ({ source, item })))))) given.push(one)
        for (const [at, list] of lists.entries()) expect(given.filter(({ source }) => source === at).map(({ item }) => item)).toEqual(list)
      }),
    )
  })

  test('a source that always has something leaves the others their turn', async () => {
    async function* busy(): AsyncGenerator<string> {
      for (;;) yield 'busy'
    }
    const merged = merge([busy(), of('once')])
    const first = [(await merged.next()).value, (await merged.next()).value, (await merged.next()).value]
    await merged.return(undefined)
    expect(first).toContain('once')
  })

  test('asks no source for more than one item ahead of its reader', async () => {
    let asked = 0
    async function* counted(): AsyncGenerator<number> {
      for (;;) yield ++asked
    }
    const merged = merge([counted()])
    await merged.next()
    await nextTurn()
    expect(asked).toBe(2)
    await merged.return(undefined)
  })

  test('the failure of one is the failure of all, and the others are left', async () => {
    const other = quiet<string>()
    const failing = merge([
      other,
      (async function* () {
        yield 'first'
        throw new Error('broken')
      })(),
    ])
    expect((await failing.next()).value).toBe('first')
    await expect(failing.next()).rejects.toThrow('broken')
    await other.left
  })

  test('a quiet source holds nothing of what the others have given', async () => {
    async function* busy(): AsyncGenerator<object> {
      for (;;) yield {}
    }
    const merged = merge([quiet<object>(), busy()])
    const refs: WeakRef<object>[] = []
    for (let item = 0; item < 100; item++) {
      const { value } = await merged.next()
      refs.push(new WeakRef(value))
    }
    collectGarbage()
    await nextTurn()
    collectGarbage()
    expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5)
    await merged.return(undefined)
  })
})

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect !== 'function') throw new Error('this V8 cannot be told to collect')
  collect()
}
