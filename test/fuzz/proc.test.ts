import fc from 'fast-check'
import { expect, test } from 'vitest'
import { procText } from '../support/processes/proc-texts.ts'
import { wrongAnswersTo } from '../support/processes/proc-parsers.ts'

const seconds = Number(process.env['MAYFLY_FUZZ_SECONDS'] ?? 5)

test('no text in /proc or /etc makes a parser throw or answer with what is not an id, a path or a name', () => {
  fc.assert(
    fc.property(procText, (text) => {
      expect(wrongAnswersTo(text)).toEqual([])
    }),
    { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1_000, markInterruptAsFailure: false },
  )
}, seconds * 1_000 + 30_000)
