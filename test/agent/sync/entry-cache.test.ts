import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EntryCache } from '../../../agent/sync/entry-cache.ts'
import { matches } from '../../../src/core/selector.ts'
import { anEntry } from '../../support/agent/entries.ts'

const facts = new Set(['unix:uid:1000', 'unix:path:/bin/a'])

describe('matching', () => {
  test('all selectors of an entry must be among the facts', () => {
    const cache = new EntryCache()
    cache.replace([anEntry('a', { selectors: ['unix:uid:1000'] }), anEntry('b', { selectors: ['unix:uid:1000', 'unix:path:/bin/b'] }), anEntry('c', { selectors: ['unix:path:/bin/a', 'unix:uid:1000'] })])
    expect(cache.match(facts, 0).map(({ id }) => id)).toEqual(['a', 'c'])
  })

  test('an entry without selectors is nobody’s', () => {
    const cache = new EntryCache()
    cache.replace([anEntry('a', { selectors: [] })])
    expect(cache.match(facts, 0)).toEqual([])
  })

  test('an entry past its own end is not matched, and is dropped when that is looked at', () => {
    const cache = new EntryCache()
    cache.replace([anEntry('a', { selectors: ['unix:uid:1000'], expiresAtSeconds: 100 })])
    expect(cache.match(facts, 99_999)).toHaveLength(1)
    expect(cache.match(facts, 100_000)).toEqual([])
    const changes: string[] = []
    using _ = cache.changed.on((ids) => void changes.push(...ids))
    cache.expire(99_999)
    expect(changes).toEqual([])
    cache.expire(100_000)
    expect(changes).toEqual(['a'])
  })

  test('it finds what holding each entry against the facts finds', () => {
    const selector = fc.constantFrom('t:a', 't:b', 't:c', 't:d')
    fc.assert(
      fc.property(fc.array(fc.uniqueArray(selector, { maxLength: 3 }), { maxLength: 12 }), fc.uniqueArray(selector), (entries, known) => {
        const cache = new EntryCache()
        const all = entries.map((selectors, at) => anEntry(`e${at}`, { selectors, createdAtSeconds: at }))
        cache.replace(all)
        const seen = new Set(known)
        expect(cache.match(seen, 0).map(({ id }) => id)).toEqual(all.filter((entry) => matches(entry.selectors, seen)).map(({ id }) => id))
      }),
    )
  })
})

describe('changes', () => {
  test('a snapshot replaces all at once and names only what is different', () => {
    const cache = new EntryCache()
    cache.replace([anEntry('a'), anEntry('b'), anEntry('c')])
    const changes: string[][] = []
    using _ = cache.changed.on((ids) => void changes.push([...ids].sort()))
    cache.replace([anEntry('a'), anEntry('b', { revision: 1 }), anEntry('d')])
    expect(changes).toEqual([['b', 'c', 'd']])
    expect([...cache.all.keys()]).toEqual(['a', 'b', 'd'])
    cache.replace([anEntry('a'), anEntry('b', { revision: 1 }), anEntry('d')])
    expect(changes).toHaveLength(1)
  })

  test('a change moves what it names', () => {
    const cache = new EntryCache()
    cache.replace([anEntry('a'), anEntry('b')])
    cache.apply([anEntry('c')], ['a', 'unknown'])
    expect([...cache.all.keys()]).toEqual(['b', 'c'])
  })
})
