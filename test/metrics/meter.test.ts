import { describe, expect, test } from 'vitest'

import { Meter } from '../../src/metrics/meter.ts'

const catalogue = {
  things_total: { kind: 'counter', help: 'Things, with a \\ and\na second line', labels: ['kind', 'place'] },
  wait_seconds: { kind: 'histogram', help: 'Waits', buckets: [0.1, 1] },
  level: { kind: 'gauge', help: 'A level' },
  unused: { kind: 'gauge', help: 'Nothing' },
} as const

describe('a meter', () => {
  test('writes what it measured as Prometheus reads it, label values escaped, and nothing of what it did not', async () => {
    const meter = new Meter(catalogue)
    meter.count('things_total', ['a "b"\n\\', 'here'], 2)
    meter.count('things_total', ['a "b"\n\\', 'here'])
    for (const seconds of [0.05, 0.1, 0.5, 7]) meter.observe('wait_seconds', seconds)
    meter.onScrape(() => meter.set('level', 1.5))
    expect(await meter.text()).toBe(
      [
        '# HELP things_total Things, with a \\\\ and\\na second line',
        '# TYPE things_total counter',
        'things_total{kind="a \\"b\\"\\n\\\\",place="here"} 3',
        '# HELP wait_seconds Waits',
        '# TYPE wait_seconds histogram',
        'wait_seconds_bucket{le="0.1"} 2',
        'wait_seconds_bucket{le="1"} 3',
        'wait_seconds_bucket{le="+Inf"} 4',
        'wait_seconds_sum 7.65',
        'wait_seconds_count 4',
        '# HELP level A level',
        '# TYPE level gauge',
        'level 1.5',
        '',
      ].join('\n'),
    )
  })

  test('a caller cannot fill the memory with label values of its own', async () => {
    const meter = new Meter(catalogue)
    for (let at = 0; at < 5_000; at++) meter.count('things_total', [String(at), 'x'])
    expect((await meter.text()).split('\n').filter((line) => line.startsWith('things_total{'))).toHaveLength(2_000)
  })

  test('a collector that fails takes nothing else with it', async () => {
    const meter = new Meter(catalogue)
    meter.onScrape(() => Promise.reject(new Error('gone')))
    meter.onScrape(() => {
      throw new Error('gone')
    })
    meter.onScrape(() => meter.set('level', 2))
    expect(await meter.text()).toContain('level 2')
  })

  test('a name that is in no catalogue is refused', () => {
    expect(() => new Meter(catalogue).count('other_total')).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })
})
