import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { generateProto } from '../../tools/generate-proto.ts'

test('the checked-in types are what the generator makes of the .proto files now', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-proto-'))
  try {
    generateProto(folder)
    expect(contentsOf(join(import.meta.dirname, '../../proto/generated'))).toEqual(contentsOf(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function contentsOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(files.sort().map((file) => [relative(folder, file), readFileSync(file, 'utf8')]))
}
