import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test.each(['server', 'agent'])('a data folder where nothing can be written is told in two lines, and not as a defect: %s', (name) => {
  const options = name === 'server' ? ['--trust-domain', 'example.org', '--listen', '127.0.0.1:0'] : []
  const { status, stderr } = spawnSync(process.execPath, [join(root, name, 'main.ts'), ...options, '--data', '/sys/mayfly'], { encoding: 'utf8' }) // nobody makes a folder there, root neither
  expect(status).toBe(1)
  expect(stderr).toMatch(/^mayfly: [^\n]*\/sys\/mayfly[^\n]*\nhint: [^\n]+\n$/)
  expect(stderr).toMatch(/EPERM|EROFS|EACCES/)
  expect(stderr).not.toContain('defect')
})
