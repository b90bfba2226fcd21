import { join } from 'node:path'
import { openAt, temporaryFolder } from '../../support/store/open.ts'
import { storeContract } from './contract.ts'

storeContract('SQLite in a file', async () => {
  const folder = await temporaryFolder()
  return { lasting: true, open: () => openAt(join(folder.path, 'mayfly.db')), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
})

storeContract('SQLite in memory', async () => ({ lasting: false, open: () => openAt(':memory:'), [Symbol.asyncDispose]: async () => {} }))
