import { readlinkSync, readFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HeldCommand } from '../../src/cli/held-command.ts'
import { systemClock } from '../../src/system/clock.ts'

let dir: string
let command: HeldCommand | undefined

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mf-'))
})

afterEach(async () => {
  await command?.stop()
  command = undefined
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const) process.removeAllListeners(name)
  rmSync(dir, { recursive: true, force: true })
})

function start(...argv: readonly string[]): HeldCommand {
  command = HeldCommand.start(argv)
  return command
}

/** Resolves once there is something in the file that the command writes when it is ready. */
async function written(file: string): Promise<string> {
  while (!existsSync(file) || !readFileSync(file, 'utf8').endsWith('\n')) await systemClock.sleep(5, AbortSignal.timeout(10_000))
  return readFileSync(file, 'utf8').trim()
}

describe('a command that is held back', () => {
  test('does nothing before it may, and then is what was asked for under the same pid', async () => {
    const file = join(dir, 'out')
    const held = start('sh', '-c', 'echo $$ > "$0"; exec sleep 30', file)
    expect(readlinkSync(`/proc/${held.pid}/exe`)).toMatch(/sh$/)
    expect(existsSync(file)).toBe(false)
    held.go('/run/g/workload.sock', 'g1')
    expect(await written(file)).toBe(String(held.pid))
  })

  test('has the grant in its environment, and the pipe that held it back no more', async () => {
    const file = join(dir, 'out')
    start('sh', '-c', 'test -e /proc/$$/fd/3 && held=open || held=closed; echo "$SPIFFE_ENDPOINT_SOCKET $MAYFLY_GRANT $held" > "$0"', file).go('/run/g/a b.sock', 'g1')
    expect(await written(file)).toBe('unix:///run/g/a b.sock g1 closed')
  })

  test('its arguments are passed on as they are', async () => {
    const file = join(dir, 'out')
    start('sh', '-c', 'printf "%s|" "$@" > "$0"; echo >> "$0"', file, 'a b', '$HOME', '', '-n', '*').go('/s', 'g1')
    expect(await written(file)).toBe('a b|$HOME||-n|*|')
  })

  test('ends with its exit code, or with 128 and the signal', async () => {
    const held = start('sh', '-c', 'exit 3')
    held.go('/s', 'g1')
    expect(await held.ended).toEqual({ kind: 'command', exitCode: 3, signal: undefined })
    const killed = start('sh', '-c', 'kill -TERM $$')
    killed.go('/s', 'g1')
    expect(await killed.ended).toEqual({ kind: 'command', exitCode: 143, signal: 'SIGTERM' })
  })

  test('a program that is not there ends with 127', async () => {
    const held = start('no-such-program')
    held.go('/s', 'g1')
    expect(await held.ended).toMatchObject({ exitCode: 127 })
  })

  test('signals reach it once it runs', async () => {
    const [ready, file] = [join(dir, 'ready'), join(dir, 'out')]
    const held = start('sh', '-c', 'trap "echo told > $1; exit 0" USR1; echo > "$0"; while :; do sleep 0.05; done', ready, file)
    held.go('/s', 'g1')
    await written(ready)
    process.emit('SIGUSR1')
    expect(await held.ended).toMatchObject({ exitCode: 0 })
    expect(await written(file)).toBe('told')
  })

  test('never runs when it is stopped before it may', async () => {
    const file = join(dir, 'out')
    const held = start('sh', '-c', 'echo > "$0"', file)
    await held.stop()
    expect(await held.ended).toMatchObject({ signal: 'SIGKILL' })
    held.go('/s', 'g1')
    expect(existsSync(file)).toBe(false)
  })

  test('may stop by itself within its grace, and is killed when it does not', async () => {
    const ready = join(dir, 'ready')
    const willing = start('sh', '-c', 'trap "exit 5" TERM; echo > "$0"; while :; do sleep 0.05; done', ready)
    willing.go('/s', 'g1')
    await written(ready)
    await willing.stop(10_000, systemClock)
    expect(await willing.ended).toMatchObject({ exitCode: 5 })

    const other = join(dir, 'other')
    const stubborn = start('sh', '-c', 'trap "" TERM; echo > "$0"; while :; do sleep 0.05; done', other)
    stubborn.go('/s', 'g1')
    await written(other)
    await stubborn.stop(100, systemClock)
    expect(await stubborn.ended).toMatchObject({ signal: 'SIGKILL' })
    await stubborn.stop() // once more does no harm
  })
})
