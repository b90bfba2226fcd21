import { once } from 'node:events'
import process from 'node:process'
import { afterEach, expect, test } from 'vitest'

import { passSignals } from '../../src/cli/pass-signals.ts'

const taken = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const
const before = new Map(taken.map((name) => [name, process.listeners(name)]))

afterEach(() => {
  for (const [name, listeners] of before) {
    process.removeAllListeners(name)
    for (const listener of listeners) process.on(name, listener)
  }
})

test('a signal that is on its way when the command takes over reaches the command, and nobody else', async () => {
  const told: string[] = []
  process.removeAllListeners('SIGHUP')
  process.on('SIGHUP', () => told.push('us'))
  process.kill(process.pid, 'SIGHUP') // caught by the kernel's handler before this returns, told to listeners in a later turn
  passSignals((name) => told.push(`the command: ${name}`))
  await once(process, 'SIGHUP')
  expect(told).toEqual(['the command: SIGHUP'])
})
