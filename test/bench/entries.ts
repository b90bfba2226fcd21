import { writeSync, openSync, fsyncSync, closeSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { Product } from '../support/product/product.ts'
import type { Report } from './figure.ts'
import { cpuMs, elapsedMs } from './machine.ts'

const batchSize = 100
const count = 10_000
const callers = 4

/** Entries created in batches of 100, durable, 10,000 that share a parent. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const parentId = 'spiffe://example.org/spire/agent/join_token/bench'
  const fsyncs = fsyncsPerSecond(product.dir)
  const cpuBefore = cpuMs(product.server.pid)
  const start = elapsedMs()
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < count) {
      const from = next
      next += batchSize
      await product.createEntries(Array.from({ length: batchSize }, (_, at) => ({ spiffeId: `spiffe://example.org/bench/${from + at}`, parentId, selectors: [`unix:uid:${from + at}`, 'unix:path:/usr/bin/service'] })))
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const seconds = (elapsedMs() - start) / 1_000
  const cpu = cpuMs(product.server.pid) - cpuBefore
  const { entries } = await product.admin.unary('mayfly.v1.Status', 'Get', {})
  if (entries !== count) throw new Error(`${entries} entries are there, not ${count}`)
  return {
    name: 'entries',
    figures: [
      { id: 'entries.per_second', value: count / seconds, unit: '1/s', goal: '>= 5000', limit: { value: fsyncs * batchSize, unit: '1/s', of: 'one write and fsync for each batch of 100' }, note: `${callers} callers, ${((cpu * 1_000) / count).toFixed(0)} us of server CPU an entry` },
    ],
  }
}

function fsyncsPerSecond(dir: string): number {
  const path = join(dir, 'fsync-probe')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(4096, 1)
  const rounds = 200
  const start = elapsedMs()
  for (let at = 0; at < rounds; at++) {
    writeSync(file, block)
    fsyncSync(file)
  }
  const seconds = (elapsedMs() - start) / 1_000
  closeSync(file)
  rmSync(path)
  return rounds / seconds
}
