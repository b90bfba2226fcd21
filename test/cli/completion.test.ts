import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { bashScript } from '../../src/cli/completion/bash.ts'
import { fishScript } from '../../src/cli/completion/fish.ts'
import { tree, wordsOf } from '../../src/cli/completion/words.ts'
import type { CommandWords } from '../../src/cli/completion/words.ts'
import { zshScript } from '../../src/cli/completion/zsh.ts'
import { table } from '../../src/cli/table.ts'

let commands: readonly CommandWords[]
let folder: string
beforeAll(async () => {
  commands = await wordsOf(table)
  folder = mkdtempSync(join(tmpdir(), 'mf-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('bash', () => {
  function offered(...typed: readonly string[]): readonly string[] {
    const file = join(folder, 'mayfly.bash')
    writeFileSync(file, bashScript(commands))
    const words = ['mayfly', ...typed].map((word) => `'${word}'`).join(' ')
    return execFileSync('bash', ['-c', `cd '${folder}' && . '${file}' && COMP_WORDS=(${words}) && COMP_CWORD=${typed.length} && _mayfly && printf '%s\\n' "\${COMPREPLY[@]}"`], { encoding: 'utf8' }).split('\n').filter((line) => line !== '')
  }

  test('offers the first words, by what was typed of them', () => {
    expect(offered('')).toEqual(expect.arrayContaining([...tree(commands).keys()]))
    expect(offered('rev')).toEqual(['revoke', 'revocation'])
  })

  test('offers second words where there are some', () => {
    expect(offered('entry', '')).toEqual(expect.arrayContaining(['create', 'list', 'delete']))
    expect(offered('agent', 'b')).toEqual(['ban'])
  })

  test('offers every option of the command and none of another', () => {
    for (const { name, options } of commands) {
      expect(offered(...name.split(' '), ...(name.includes(' ') ? [] : ['']), '--').toSorted(), name).toEqual(options.map((option) => `--${option.name}`).toSorted())
    }
  })

  test('offers files where a file is wanted, and nothing where a text is', () => {
    writeFileSync(join(folder, 'server.yaml'), '')
    expect(offered('server', 'run', '--config', 'ser')).toEqual(['server.yaml'])
    expect(offered('entry', 'create', '--owner', '')).toEqual([])
    writeFileSync(join(folder, 'my certificate.pem'), '')
    expect(offered('verify', 'my')).toEqual(['my certificate.pem'])
  })

  test('leaves what follows -- to the shell', () => {
    expect(offered('run', '--', 'server.y')).toEqual(['server.yaml'])
  })
})

describe.skipIf(!existsSync('/usr/bin/fish'))('fish', () => {
  function offered(typed: string): readonly string[] {
    const file = join(folder, 'offered.fish')
    writeFileSync(file, fishScript(commands))
    return execFileSync('fish', ['--no-config', '-c', `cd '${folder}'; source '${file}'; complete -C '${typed}'`], { encoding: 'utf8' }).split('\n').filter((line) => line !== '').map((line) => line.split('\t')[0] ?? '')
  }

  test('offers the first words, and second words where there are some', () => {
    expect(offered('mayfly rev')).toEqual(['revocation', 'revoke'])
    expect(offered('mayfly entry ')).toEqual(expect.arrayContaining(['create', 'list', 'delete']))
    expect(offered('mayfly agent b')).toEqual(['ban'])
  })

  test('offers every option of the command and none of another, such as of one whose name ends alike', () => {
    for (const name of ['run', 'server run', 'relay run', 'entry create', 'verify']) {
      const { options } = commands.find((command) => command.name === name) ?? { options: [] }
      expect(offered(`mayfly ${name} --`).toSorted(), name).toEqual(options.map((option) => `--${option.name}`).toSorted())
    }
    expect(offered('mayfly run -- --')).toEqual([])
  })

  test('offers files where one may stand', () => {
    writeFileSync(join(folder, 'one.pem'), '')
    expect(offered('mayfly verify one')).toEqual(['one.pem'])
    expect(offered('mayfly server run --config one')).toEqual(['one.pem'])
  })
})

/** Each shell that the machine has reads its own script; the bash of every test machine is asked above. */
test.each([
  ['zsh', (all: readonly CommandWords[]) => zshScript(all), ['-n']],
  ['fish', (all: readonly CommandWords[]) => fishScript(all), ['--no-execute']],
] as const)('%s has every command and every option, in words that the shell can read', (shell, script, check) => {
  const text = script(commands)
  for (const { name, options } of commands) {
    for (const word of name.split(' ')) expect(text).toContain(word)
    for (const option of options) expect(text).toContain(shell === 'fish' ? `-l ${option.name}` : `--${option.name}[`)
  }
  const file = join(folder, `mayfly.${shell}`)
  writeFileSync(file, text)
  if (existsSync(`/usr/bin/${shell}`)) execFileSync(shell, [...check, file])
})
