import { expect } from 'vitest'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { wrongAnswersTo } from '../support/processes/proc-parsers.ts'
import { procText } from '../support/processes/proc-texts.ts'

fuzz('proc', 'no text in /proc or /etc makes a parser throw or answer with what is not an id, a path or a name', textForm, procText, (text) => {
  expect(wrongAnswersTo(text)).toEqual([])
})
