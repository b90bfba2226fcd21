import { expect, test } from 'vitest'
import { remembered } from '../../src/core/remembered.ts'

function counting(most: number, maxChars?: number): { readonly of: (text: string) => string; readonly asked: string[] } {
  const asked: string[] = []
  const work = (text: string): string => {
    asked.push(text)
    return text.toUpperCase()
  }
  return { of: remembered(work, most, maxChars), asked }
}

test('what was worked out is not worked out again', () => {
  const { of, asked } = counting(8)
  expect(['a', 'b', 'a', 'a', 'b'].map(of)).toEqual(['A', 'B', 'A', 'A', 'B'])
  expect(asked).toEqual(['a', 'b'])
})

test('the oldest goes first', () => {
  const { of, asked } = counting(2)
  for (const text of ['a', 'b', 'c', 'b', 'a']) of(text)
  expect(asked).toEqual(['a', 'b', 'c', 'a'])
})

test('a long text is not kept', () => {
  const { of, asked } = counting(2, 3)
  for (const text of ['abcd', 'abcd', 'abc', 'abc']) expect(of(text)).toBe(text.toUpperCase())
  expect(asked).toEqual(['abcd', 'abcd', 'abc'])
})

test('no answer is an answer', () => {
  let asked = 0
  const of = remembered((): undefined => void asked++, 2)
  of('a')
  of('a')
  expect(asked).toBe(1)
})
