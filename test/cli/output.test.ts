import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'

import { Output } from '../../src/cli/output.ts'

function captured(print: (output: Output) => void): string {
  const [out, err] = [new PassThrough(), new PassThrough()]
  print(new Output(out, err, { isTty: true, columns: () => 80 }))
  return `${String(out.read() ?? '')}${String(err.read() ?? '')}`
}

const hostile = 'a\u001b]0;title\u0007\u009b2J\u202egpj.exe\r\u0000z'
const shown = 'a\\u001b]0;title\\u0007\\u009b2J\\u202egpj.exe\\u000d\\u0000z'

test('what others named cannot steer the terminal, on either stream, in lines, tables and facts', () => {
  expect(captured((output) => output.line(hostile))).toBe(`${shown}\n`)
  expect(captured((output) => output.note(hostile))).toBe(`${shown}\n`)
  expect(captured((output) => output.table(['A', 'B'], [[hostile, 'x']]))).toBe(`${'A'.padEnd(shown.length)}  B\n${shown}  x\n`)
  expect(captured((output) => output.facts([['a', hostile]]))).toBe(`a  ${shown}\n`)
})

test('JSON reads the same', () => {
  expect(JSON.parse(captured((output) => output.json({ hostile })))).toEqual({ hostile })
})
