/**
 * A function of a text and of nothing else that keeps its answers to the `most` texts that came last: /proc says the same of a process again and again. What it gives is shared and not to be
 * changed; for a text of more than `maxChars` it is worked out each time.
 */
export function remembered<T>(of: (text: string) => T, most: number, maxChars: number = 4_096): (text: string) => T {
  const answers = new Map<string, { readonly answer: T }>()
  return (text) => {
    const known = answers.get(text)
    if (known !== undefined) return known.answer
    const answer = of(text)
    if (text.length > maxChars) return answer
    const [oldest] = answers.keys()
    if (answers.size >= most && oldest !== undefined) answers.delete(oldest)
    answers.set(text, { answer })
    return answer
  }
}
