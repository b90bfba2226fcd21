import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Product } from '../support/product/product.ts'
import { readTranscript, Shell, writeTranscript } from '../support/cli/transcript.ts'
import type { Step } from '../support/cli/transcript.ts'

const folder = join(import.meta.dirname, 'transcripts')
const update = process.env['MAYFLY_UPDATE_TRANSCRIPTS'] !== undefined

/** Nothing runs for these. */
const alone = new Set(['help.txt'])

/** Each file is a session at a terminal, from top to bottom, with a server and an agent of its own. */
describe.each(readdirSync(folder).filter((name) => name.endsWith('.txt')))('%s', (name) => {
  const file = join(folder, name)
  const parts = readTranscript(file)
  const sessionFolder = mkdtempSync(join(tmpdir(), 'mf-'))
  const printed: (Step | string)[] = [...parts]
  let product: Product | undefined
  let shell: Shell

  beforeAll(async () => {
    if (alone.has(name)) {
      shell = new Shell(sessionFolder, {})
      return
    }
    product = await Product.start({ serverArgs: ['--dev'] })
    const agent = await product.startAgent()
    const [agentId = ''] = await product.agentIds()
    shell = new Shell(product.dir, {
      MAYFLY_SERVER_SOCKET: product.adminSocket,
      MAYFLY_AGENT_SOCKET: agent.adminSocket,
      SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}`,
      AGENT: agentId,
    })
  })

  afterAll(async () => {
    await product?.[Symbol.asyncDispose]()
    rmSync(sessionFolder, { recursive: true, force: true })
    if (update) writeTranscript(file, printed)
  })

  for (const [at, part] of parts.entries()) {
    if (typeof part === 'string') continue
    test(`$ ${part.command}`, async () => {
      const actual = await shell.run(part.command)
      printed[at] = { command: part.command, expected: actual }
      if (!update) expect(actual).toBe(part.expected)
    })
  }
})
