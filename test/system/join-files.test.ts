import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { node24, root } from '../support/product/process.ts'

const script = `
  import { JoinFiles } from ${JSON.stringify(join(root, 'src/system/join-files.ts'))}
  import { stopOnSignals } from ${JSON.stringify(join(root, 'src/system/signals.ts'))}
  const [firstLine] = process.argv.slice(1)
  const files = new JoinFiles({ firstLine: firstLine === 'first-line' })
  const before = files.read('-')
  const more = await files.hear()
  console.log(JSON.stringify({ before: before ?? null, more, text: files.read('-') ?? null, again: await files.hear() }))
  if (firstLine === 'first-line') {
    using stop = stopOnSignals({ whileStdin: true })
    if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
    console.log(JSON.stringify(stop.signal.reason.message))
  }`

const args = ['--input-type=module', '--eval', script]
const said = (output: string): readonly unknown[] => output.trimEnd().split('\n').map((line): unknown => JSON.parse(line))

describe('a join line on standard input', () => {
  test('is all that comes, read once and only when it is waited for', () => {
    expect(said(spawnSync(node24, args, { input: 'a line\nand more\n', encoding: 'utf8' }).stdout)).toEqual([{ before: null, more: true, text: 'a line\nand more\n', again: false }])
  })

  test('is its first line where whoever started this process holds the other end, and its end is noticed still', async () => {
    const child = spawn(node24, [...args, 'first-line'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (text.includes('\n')) child.stdin.end() // it was heard
    })
    child.stdin.write('a li')
    child.stdin.write('ne\n')
    await once(child, 'close')
    expect(said(output)).toEqual([{ before: null, more: true, text: 'a line', again: false }, 'stopped by the end of standard input'])
  })

  test.each([['an empty line', '\n'], ['nothing', '']])('%s says that there is none', (_, input) => {
    expect(said(spawnSync(node24, [...args, 'first-line'], { input, encoding: 'utf8' }).stdout)).toEqual([{ before: null, more: true, text: null, again: false }, 'stopped by the end of standard input'])
  })
})
