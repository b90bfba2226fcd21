import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { Service } from '../../src/cli/dev/service.ts'

test('a service that cannot be started is over: to stop it waits for nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  const node = process.execPath
  onTestFinished(() => {
    process.execPath = node
    rmSync(folder, { recursive: true })
  })
  process.execPath = join(folder, 'no-node')
  const service = Service.start('agent', [], join(folder, 'log'))
  process.execPath = node
  await expect(service.serving).rejects.toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  expect(await service.exited).toBe(127)
  expect(await service.stop()).toBe(127)
})
