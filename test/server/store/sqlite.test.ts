import { join } from 'node:path'
import { openAt, temporaryFolder } from '../../support/store/open.ts'
import { storeContract } from './contract.ts'

storeContract('SQLite in a file', async () => {
  const folder = await temporaryFolder()
  return { open: () => openAt(join(folder.path, 'mayfly.db')), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
})
