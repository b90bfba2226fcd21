import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const demo = join(import.meta.dirname, '../../examples/agent-loop/demo.ts')

test.skipIf(!existsSync('/usr/bin/ssh-keygen'))('the agent of examples/agent-loop does what its grant allows, waits for a person, reads a denial, and is stopped by the end (skipped where there is no ssh-keygen)', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [demo])
  const order = [
    'granted',
    'did                  {"call":{"tool":"list_orders"},"orders":5',
    'denied               {"call":{"tool":"send_mail"',
    '"by":["outside-intent"]',
    'waits for a person',
    'approved-by:alice',
    '2 duplicates removed; nobody was mailed',
    'completed',
    'stopped              {"why":"the grant has ended: operator (wrong customer)"}',
    'refused afterwards',
  ]
  const places = order.map((words) => stdout.indexOf(words))
  expect(places.every((place, at) => place > (places[at - 1] ?? -1)), stdout).toBe(true)
  expect(stdout).not.toContain('still served')
})
