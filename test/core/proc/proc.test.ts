import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAccountNames } from '../../../src/core/proc/account-names.ts'
import { parseProcCgroup, unifiedMountOf, unifiedPathOf } from '../../../src/core/proc/cgroup.ts'
import { parseDecimal, parseProcStat } from '../../../src/core/proc/stat.ts'
import { parseNamespacePids, parseProcStatus } from '../../../src/core/proc/status.ts'
import { wrongAnswersTo } from '../../support/processes/proc-parsers.ts'
import { procText } from '../../support/processes/proc-texts.ts'

const tail = 'S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 200 18446744073709551615 1 1 0\n'

describe('/proc/<pid>/stat', () => {
  test('a plain line', () => {
    expect(parseProcStat(`4242 (node) ${tail}`)).toEqual({ pid: 4242, comm: 'node', state: 'S', parentPid: 1, startTicks: 987654 })
  })

  test('no name that a process gives itself moves the fields', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 64 }), (comm) => {
        expect(parseProcStat(`4242 (${comm}) ${tail}`)).toEqual({ pid: 4242, comm, state: 'S', parentPid: 1, startTicks: 987654 })
      }),
    )
  })

  test('a name that imitates a whole line does not', () => {
    expect(parseProcStat(`7 (x) S 1 ${'0 '.repeat(17)}1 ) ${tail}`)?.startTicks).toBe(987654)
    expect(parseProcStat(`7 () R 2 (() ${tail}`)?.comm).toBe(') R 2 ((')
  })

  test.each(['', '\n', '1', '1 (a)', '1 (a) S', ' (a) S 1 2', `1 a ${tail}`, `-1 (a) ${tail}`, `1 (a) ${tail.replace('987654', '-1')}`, `1 (a) ${tail.replace('987654', '18446744073709551615')}`])('%j is refused', (text) => {
    expect(parseProcStat(text)).toBeUndefined()
  })
})

const status = 'Name:\tno\\nde\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4242\nUid:\t1000\t1001\t1002\t1003\nGid:\t100\t101\t102\t103\nFDSize:\t64\nGroups:\t4 24 27 \nCapPrm:\t00000000a80425fb\n'

describe('/proc/<pid>/status', () => {
  test.for<[string, string, readonly number[]]>([
    ['in a container of a container', `${status}NSpid:\t4242\t17\t3\n`, [4242, 17, 3]],
    ['in the namespace of the reader', `${status}NSpid:\t4242\n`, [4242]],
    ['of a kernel that does not tell', status, []],
    ['told twice', `${status}NSpid:\t4242\nNSpid:\t1\n`, []],
    ['that are words', `${status}NSpid:\tone\n`, []],
  ])('the pids of a process %s', ([, text, pids]) => {
    expect(parseNamespacePids(text)).toEqual(pids)
  })

  test('ids, groups and capabilities', () => {
    expect(parseProcStatus(status)).toEqual({ uids: [1000, 1001, 1002, 1003], gids: [100, 101, 102, 103], groups: [4, 24, 27], permittedCapabilities: 0xa80425fbn })
  })

  test('no supplementary groups', () => {
    expect(parseProcStatus(status.replace('4 24 27 ', ' '))?.groups).toEqual([])
  })

  test.each([
    ['no Uid', status.replace('Uid', 'Xid')],
    ['three uids', status.replace('\t1003', '')],
    ['five uids', status.replace('\t1003', '\t1003\t5')],
    ['a uid twice', `${status}Uid:\t0\t0\t0\t0\n`],
    ['a negative uid', status.replace('1001', '-1')],
    ['a uid past 32 bits', status.replace('1001', '4294967296')],
    ['no Groups', status.replace('Groups', 'Xroups')],
    ['words for groups', status.replace('24 27', 'adm')],
    ['no capabilities', status.replace('CapPrm', 'CapEff')],
    ['nothing', ''],
  ])('%s is refused', (_, text) => {
    expect(parseProcStatus(text)).toBeUndefined()
  })
})

describe('/proc/<pid>/cgroup', () => {
  test('v1 and v2 lines together', () => {
    const memberships = parseProcCgroup('9:name=systemd:/\n4:memory:/a/b\n3:cpu,cpuacct:/x:y\n0::/system.slice/db.service\n')
    expect(memberships).toHaveLength(4)
    expect(memberships?.[2]).toEqual({ hierarchy: 3, controllers: ['cpu', 'cpuacct'], path: '/x:y' })
    expect(unifiedPathOf(memberships ?? [])).toBe('/system.slice/db.service')
  })

  test('a host with v1 only has no unified path', () => {
    expect(unifiedPathOf(parseProcCgroup('4:memory:/a\n') ?? [])).toBeUndefined()
  })

  test.each(['0:/a\n', '0::a\n', 'x::/\n', '-1::/\n', '::/\n', '0::/\nzzz\n'])('%j is refused', (text) => {
    expect(parseProcCgroup(text)).toBeUndefined()
  })

  test('any path comes back whole', () => {
    fc.assert(
      fc.property(fc.string().filter((text) => !text.includes('\n')), (name) => {
        expect(unifiedPathOf(parseProcCgroup(`1:name=x:/\n0::/${name}\n`) ?? [])).toBe(`/${name}`)
      }),
    )
  })
})

describe('/proc/self/mountinfo', () => {
  test('pure v2, hybrid, escaped, a part only, none', () => {
    expect(unifiedMountOf('24 30 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n')).toBe('/sys/fs/cgroup')
    expect(unifiedMountOf('33 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n')).toBe('/sys/fs/cgroup/unified')
    expect(unifiedMountOf('33 30 0:30 / /odd\\040place rw - cgroup2 none rw\n')).toBe('/odd place')
    expect(unifiedMountOf('33 30 0:30 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 none rw\n')).toBeUndefined()
    expect(unifiedMountOf('33 30 0:30 / /sys/fs/cgroup/memory rw - cgroup none rw,memory\n')).toBeUndefined()
    const hybrid = '30 1 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n33 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n'
    expect(unifiedMountOf(`${hybrid}40 30 0:30 / /sys/fs/cgroup rw - cgroup2 none rw\n`)).toBe('/sys/fs/cgroup')
    expect(unifiedMountOf(`${hybrid}40 33 0:31 / /sys/fs/cgroup/unified rw - tmpfs tmpfs rw\n`)).toBeUndefined()
    expect(unifiedMountOf(`${hybrid}40 30 0:31 / /sys/fs/cgroup/unified2 rw - tmpfs tmpfs rw\n`)).toBe('/sys/fs/cgroup/unified')
  })
})

describe('/etc/passwd and /etc/group', () => {
  test('names by id, the first line of an id counts', () => {
    const names = parseAccountNames('root:x:0:0:root:/root:/bin/bash\n# a comment\ntoor:x:0:0::/:\n+nis\n\nalice:x:1000:1000::/home/alice:/bin/sh\nstaff:x:50:alice,bob')
    expect([...names]).toEqual([[0, 'root'], [1000, 'alice'], [50, 'staff']])
  })

  test.each(['a:x:-1:\n', 'a:x::\n', ':x:5:\n', 'a b:x:5:\n', 'a\u0000:x:5:\n', '+a:x:5:\n', 'a:x:4294967296:\n', 'a:x:5e1:\n', `${'a'.repeat(300)}:x:5:\n`])('%j names nobody', (text) => {
    expect(parseAccountNames(text).size).toBe(0)
  })
})

describe('garbage', () => {
  test('no text makes a parser throw or answer with what is not an id, a path or a name', () => {
    fc.assert(
      fc.property(procText, (text) => {
        expect(wrongAnswersTo(text)).toEqual([])
      }),
      { numRuns: 2_000 },
    )
  })

  test('a number is decimal digits and nothing else', () => {
    expect(['0x10', '1e3', ' 1', '1 ', '+1', '-0', '', '٣', '99999999999999999'].map(parseDecimal)).toEqual(Array.from({ length: 9 }, () => undefined))
    fc.assert(fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (value) => parseDecimal(String(value)) === (value < 1e16 ? value : undefined)))
  })
})
