import { createHash } from 'node:crypto'
import type { StateFiles } from './state-files.ts'

const spareSuffix = '.spare'
const digestLength = 64

/**
 * Files that survive a spoilt byte: beside each lies a spare copy, headed by its SHA-256. The copy is written first, so a whole one is as new as the file
 * or newer and is what counts; a spoilt one is passed over. Without the file itself there is nothing, whatever the copy says.
 */
export function keptTwice(files: StateFiles): StateFiles {
  return {
    read: async (name, maxBytes) => {
      const content = await files.read(name, maxBytes)
      if (content === undefined) return undefined
      const spare = await files.read(name + spareSuffix, maxBytes + digestLength + 1)
      return wholeOf(spare) ?? content
    },
    write: async (name, content) => {
      await files.write(name + spareSuffix, `${digestOf(content)}\n${content}`)
      await files.write(name, content)
    },
    remove: async (name) => {
      await files.remove(name)
      await files.remove(name + spareSuffix)
    },
  }
}

function wholeOf(spare: Uint8Array | undefined): Uint8Array | undefined {
  if (spare === undefined) return undefined
  const content = spare.subarray(digestLength + 1)
  return new TextDecoder().decode(spare.subarray(0, digestLength + 1)) === `${digestOf(content)}\n` ? content : undefined
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
