import type { Read } from '../operations.ts'
import { pageToken, readPage } from '../pages.ts'

/** In the order of their trust domains. */
export const listBundles: Read<'bundles.list'> = (tables, page) => {
  const { after = '', size } = readPage('bundles', page)
  const found = tables.bundles.after(after, size + 1)
  const items = found.slice(0, size)
  return found.length > size ? { items, next: pageToken('bundles', items.at(-1)?.trustDomain ?? '') } : { items }
}
