import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WorkloadAttestor } from '../../../agent/attest/attestor.ts'
import type { FactSource } from '../../../agent/attest/fact-source.ts'
import { Caller } from '../../../agent/attest/caller.ts'
import { kindsOf } from '../../../agent/attest/unix.ts'
import { FakeProcesses, someFile } from '../../support/processes/fake-processes.ts'
import type { FakeProcess } from '../../support/processes/fake-processes.ts'

const socket = new Socket()
const nothing: ReadonlySet<string> = new Set()
const hash: ReadonlySet<string> = new Set(['unix:sha256'])
const rootOwned = [{ uid: 0, gid: 0, mode: 0o755 }, { uid: 0, gid: 0, mode: 0o644 }]

describe('a caller', () => {
  test('is bound by the pidfd of its connection where the kernel gives one', () => {
    const { processes } = connected()
    const caller = Caller.of(socket, processes)
    expect(caller).toMatchObject({ pid: 100, uid: 1000, gid: 1000, startTicks: 5_000, tier: 'pidfd' })
    caller[Symbol.dispose]()
    expect(processes.openHandles).toBe(0)
  })

  test('is bound by its pid on an older kernel, and by its start time alone on a still older one', () => {
    const { processes } = connected()
    processes.connected = undefined
    expect(Caller.of(socket, processes)).toMatchObject({ tier: 'pid', handle: { fd: 3 } })
    processes.pidfdOpen = false
    const caller = Caller.of(socket, processes)
    expect(caller).toMatchObject({ tier: 'pid', handle: undefined })
    expect(caller.alive()).toBe(true)
    processes.kill(100)
    processes.spawn(100, 9_000)
    expect(caller.alive()).toBe(false)
  })

  test('whose tier is forced to pid ignores the better pidfd; one forced higher than the kernel goes is refused', () => {
    const { processes } = connected()
    expect(Caller.of(socket, processes, 'pid').tier).toBe('pid')
    processes.connected = undefined
    for (const tier of ['pidfd', 'cgroup'] as const) expect(() => Caller.of(socket, processes, tier)).toThrow(expect.objectContaining({ code: 'PLATFORM_UNSUPPORTED' }))
  })

  test('that cannot be seen from this pid namespace is refused', () => {
    const { processes } = connected()
    processes.peer = { pid: 0, uid: 1000, gid: 1000 }
    expect(() => Caller.of(socket, processes)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }))
  })

  test('that has exited, its pid with another by now, is refused and leaks no descriptor', () => {
    const { processes } = connected()
    processes.kill(100)
    expect(() => Caller.of(socket, processes)).toThrow(expect.objectContaining({ code: 'PROCESS_GONE' }))
    processes.spawn(100, 9_000)
    expect(() => Caller.of(socket, processes)).toThrow(expect.objectContaining({ code: 'PROCESS_GONE' }))
    expect(processes.openHandles).toBe(0)
  })

  test('whose pid is given again between the two readings of its start time is refused', () => {
    const { processes } = connected()
    processes.connected = undefined
    let at = 0
    processes.startTicks = () => (at++ === 0 ? 5_000 : 9_000)
    expect(() => Caller.of(socket, processes)).toThrow(expect.objectContaining({ code: 'PROCESS_GONE' }))
    expect(processes.openHandles).toBe(0)
  })
})

test('a process that is only named, for a person who asks about it, is of tier pid; one that is not there is gone', async () => {
  const { processes, attestor } = connected()
  expect(await attestor.attest(Caller.named(100, processes), nothing)).toMatchObject({ pid: 100, uid: 1000, tier: 'pid' })
  expect(() => Caller.named(101, processes)).toThrow(expect.objectContaining({ code: 'PROCESS_GONE' }))
})

describe('attest', () => {
  test("states the selectors of SPIRE's unix attestor, names where there are any", async () => {
    const { attestor, caller } = connected()
    const { facts, missing, sha256, path, tier } = await attestor.attest(caller(), nothing)
    expect([...facts]).toEqual(['unix:uid:1000', 'unix:user:alice', 'unix:gid:1000', 'unix:group:users', 'unix:supplementary_gid:4', 'unix:supplementary_gid:1000', 'unix:supplementary_group:users', 'unix:path:/usr/bin/payments'])
    expect({ sha256, path, tier }).toEqual({ sha256: undefined, path: '/usr/bin/payments', tier: 'pidfd' })
    expect(missing).toContainEqual({ kind: 'unix:supplementary_group', why: '4 has no name on this host' })
  })

  test('hashes only when some entry asks for it', async () => {
    const { processes, attestor, caller } = connected()
    await attestor.attest(caller(), nothing)
    expect(processes.hashes).toBe(0)
    const wanted = kindsOf([{ type: 'unix', value: 'uid:1' }, { type: 'unix', value: `sha256:${'ab'.repeat(32)}` }])
    expect([...wanted]).toEqual(['unix:uid', 'unix:sha256'])
    const { facts, sha256 } = await attestor.attest(caller(), wanted)
    expect(facts).toContain(`unix:sha256:${'aa'.repeat(32)}`)
    expect(sha256).toBe('aa'.repeat(32))
  })

  test('a deleted, foreign or unreadable executable gives no path selector, and says why', async () => {
    for (const executable of [{ kind: 'deleted', file: someFile }, { kind: 'elsewhere', path: '/usr/bin/payments', file: someFile }, { kind: 'unreadable' }] as const) {
      const { attestor, caller } = connected({ executable })
      const { facts, missing, path } = await attestor.attest(caller(), nothing)
      expect([...facts].some((fact) => fact.startsWith('unix:path'))).toBe(false)
      expect(path).toBeUndefined()
      expect(missing.map(({ kind }) => kind)).toContain('unix:path')
    }
  })

  test('an executable that is too large or may not be read gives no sha256 selector, and says why', async () => {
    for (const sha256 of [{ kind: 'too_large', file: someFile }, { kind: 'unreadable' }] as const) {
      const { process, attestor, caller } = connected()
      process.sha256 = sha256
      const { facts, missing } = await attestor.attest(caller(), hash)
      expect([...facts].some((fact) => fact.startsWith('unix:sha256'))).toBe(false)
      expect(missing.map(({ kind }) => kind)).toContain('unix:sha256')
    }
  })

  test('facts that change between the two readings are read once more; those that never settle are refused', async () => {
    const { process, processes, attestor, caller } = connected()
    processes.beforeRead = (count) => {
      if (count === 2) process.reading = { ...process.reading, groups: [7] }
    }
    expect((await attestor.attest(caller(), nothing)).groups).toEqual([7])
    processes.beforeRead = (count) => {
      process.reading = { ...process.reading, groups: [count] }
    }
    await expect(attestor.attest(caller(), nothing)).rejects.toMatchObject({ code: 'FACTS_CHANGED' })
  })

  test('a hash of one file is never stated beside the path of another', async () => {
    const { process, attestor, caller } = connected()
    process.sha256 = { kind: 'hashed', sha256: 'bb'.repeat(32), file: { ...someFile, ino: 77n } }
    await expect(attestor.attest(caller(), hash)).rejects.toMatchObject({ code: 'FACTS_CHANGED' })
  })

  test('a process that exits while it is read is gone, though its pid has another by then', async () => {
    const { processes, attestor, caller } = connected()
    const before = caller()
    processes.beforeRead = (count) => {
      if (count === 2) {
        processes.kill(100)
        processes.spawn(100, 9_000)
      }
    }
    await expect(attestor.attest(before, nothing)).rejects.toMatchObject({ code: 'PROCESS_GONE' })
  })

  test('pid reuse without any pidfd is seen by the start time', async () => {
    const { processes, attestor } = connected()
    processes.connected = undefined
    processes.pidfdOpen = false
    const caller = Caller.of(socket, processes)
    processes.kill(100)
    processes.spawn(100, 9_000)
    await expect(attestor.attest(caller, nothing)).rejects.toMatchObject({ code: 'PROCESS_GONE' })
  })

  test('a process that is no longer the user who connected is refused', async () => {
    for (const facts of [{ uid: 0 }, { gid: 0 }]) {
      const { attestor, caller } = connected(facts)
      await expect(attestor.attest(caller(), nothing)).rejects.toMatchObject({ code: 'FACTS_CHANGED' })
    }
  })

  test('a process that runs and that /proc hides is a fault of the host, and said so', async () => {
    const { processes, attestor, caller } = connected()
    const seen = caller()
    processes.hidden = true
    await expect(attestor.attest(seen, nothing)).rejects.toMatchObject({ code: 'PLATFORM_UNSUPPORTED' })
  })
})

describe('the tier cgroup', () => {
  test('is given to an ordinary process in a cgroup that root owns all the way up', async () => {
    const { processes, attestor, caller } = connected()
    processes.owners = rootOwned
    expect(await attestor.attest(caller(), nothing)).toMatchObject({ tier: 'cgroup', cgroup: '/system.slice/payments.service' })
  })

  test.each([
    ['the root cgroup', { cgroup: '/' }, rootOwned],
    ['no cgroup v2', { cgroup: undefined }, rootOwned],
    ['owners that cannot be told', {}, undefined],
    ['a delegated directory', {}, [...rootOwned, { uid: 1000, gid: 0, mode: 0o755 }]],
    ['a group that may write', {}, [...rootOwned, { uid: 0, gid: 1000, mode: 0o664 }]],
    ['all may write', {}, [...rootOwned, { uid: 0, gid: 0, mode: 0o646 }]],
    ['a saved uid of root', { uids: [1000, 1000, 0, 1000] }, rootOwned],
    ['CAP_SYS_ADMIN', { capabilities: 1n << 21n }, rootOwned],
  ])('is not given: %s', async (_, facts, owners) => {
    const { processes, attestor, caller } = connected(facts)
    processes.owners = owners
    expect((await attestor.attest(caller(), nothing)).tier).toBe('pidfd')
  })

  test('a harmless capability does not take it away', async () => {
    const { processes, attestor, caller } = connected({ capabilities: 1n << 10n })
    processes.owners = rootOwned
    expect((await attestor.attest(caller(), nothing)).tier).toBe('cgroup')
  })

  test('forced, it refuses whoever does not reach it; forced lower, it is not given', async () => {
    const { processes, caller } = connected()
    const attestor = new WorkloadAttestor(processes, { sha256MaxBytes: 1, tier: 'cgroup' })
    await expect(attestor.attest(caller(), nothing)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    processes.owners = rootOwned
    expect((await attestor.attest(caller(), nothing)).tier).toBe('cgroup')
    expect((await new WorkloadAttestor(processes, { sha256MaxBytes: 1, tier: 'pidfd' }).attest(caller(), nothing)).tier).toBe('pidfd')
  })
})

describe('reattest', () => {
  test('all found again is the attestation that there was; what else can be said since is in another', async () => {
    const { process, processes, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, nothing)
    const again = await attestor.reattest(seen, before, nothing)
    expect(again.kind === 'unchanged' && again.attestation).toBe(before)
    processes.groupName = (gid) => (gid === 4 ? 'adm' : 'users')
    expect(await attestor.reattest(seen, before, nothing)).toMatchObject({ kind: 'unchanged', attestation: { missing: before.missing.filter(({ kind }) => kind !== 'unix:supplementary_group') } })
    if (process.reading.executable.kind === 'file') process.reading = { ...process.reading, executable: { ...process.reading.executable, file: { ...someFile, ctimeNs: someFile.ctimeNs + 1n } } }
    expect(await attestor.reattest(seen, before, nothing)).toMatchObject({ kind: 'unchanged', attestation: { executable: process.reading.executable } })
  })

  test('unchanged facts cost one reading and no hashing', async () => {
    const { processes, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, hash)
    const { reads, hashes } = processes
    const again = await attestor.reattest(seen, before, hash)
    expect(again).toEqual({ kind: 'unchanged', attestation: before })
    expect({ reads: processes.reads - reads, hashes: processes.hashes - hashes }).toEqual({ reads: 1, hashes: 0 })
  })

  test('a hash that an entry asks for only now is added, and is no change', async () => {
    const { attestor, caller } = connected()
    const seen = caller()
    const again = await attestor.reattest(seen, await attestor.attest(seen, nothing), hash)
    expect(again).toMatchObject({ kind: 'unchanged', attestation: { sha256: 'aa'.repeat(32) } })
  })

  test.each([
    ['uid', { uid: 0 }, ['uid']],
    ['gid', { gid: 5 }, ['gid']],
    ['groups', { groups: [4] }, ['groups']],
    ['another program by exec', { executable: { kind: 'file', path: '/bin/sh', file: { ...someFile, ino: 9n } } }, ['executable', 'path']],
    ['the file deleted', { executable: { kind: 'deleted', file: someFile } }, ['path']],
    ['the file not to be read any more', { executable: { kind: 'unreadable' } }, ['executable', 'path']],
  ] as const)('%s is a change', async (_, facts, what) => {
    const { process, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, nothing)
    process.reading = { ...process.reading, ...facts }
    const again = await attestor.reattest(seen, before, nothing)
    expect(again).toMatchObject({ kind: 'changed', what })
  })

  test('content written anew under the same inode is a change when the hash was a fact', async () => {
    const { process, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, hash)
    const file = { ...someFile, mtimeNs: 50n, ctimeNs: 50n }
    process.reading = { ...process.reading, executable: { kind: 'file', path: '/usr/bin/payments', file } }
    process.sha256 = { kind: 'hashed', sha256: 'bb'.repeat(32), file }
    expect(await attestor.reattest(seen, before, hash)).toMatchObject({ kind: 'changed', what: ['sha256'] })
  })

  test('a new hard link to the executable is none', async () => {
    const { process, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, hash)
    const file = { ...someFile, ctimeNs: 50n }
    process.reading = { ...process.reading, executable: { kind: 'file', path: '/usr/bin/payments', file } }
    process.sha256 = { kind: 'hashed', sha256: 'aa'.repeat(32), file }
    expect(await attestor.reattest(seen, before, hash)).toMatchObject({ kind: 'unchanged' })
  })

  test('another cgroup is a change where the cgroup bound, and none where it did not', async () => {
    const { process, processes, attestor, caller } = connected()
    const seen = caller()
    const loose = await attestor.attest(seen, nothing)
    processes.owners = rootOwned
    const bound = await attestor.attest(seen, nothing)
    process.reading = { ...process.reading, cgroup: '/system.slice/other.service' }
    expect(await attestor.reattest(seen, loose, nothing)).toMatchObject({ kind: 'unchanged' })
    expect(await attestor.reattest(seen, bound, nothing)).toMatchObject({ kind: 'changed', what: ['cgroup'] })
    processes.owners = undefined
    expect(await attestor.reattest(seen, bound, nothing)).toMatchObject({ kind: 'changed', what: ['cgroup', 'tier'] })
  })

  test('a renamed user is a change: the selector that was stated no longer holds', async () => {
    const { processes, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, nothing)
    processes.userName = () => 'bob'
    expect(await attestor.reattest(seen, before, nothing)).toMatchObject({ kind: 'changed', what: ['names'] })
  })

  test('another unit is a change where an entry asks for it', async () => {
    const { process, processes, attestor } = connected()
    processes.owners = rootOwned
    const seen = Caller.named(100, processes) // of tier pid: its cgroup does not bind
    const before = await attestor.attest(seen, nothing)
    expect([...before.facts]).toContain('systemd:id:payments.service')
    process.reading = { ...process.reading, cgroup: '/system.slice/other.service' }
    expect(await attestor.reattest(seen, before, nothing)).toMatchObject({ kind: 'unchanged' })
    expect(await attestor.reattest(seen, before, new Set(['systemd:id']))).toMatchObject({ kind: 'changed', what: ['facts'] })
    seen[Symbol.dispose]()
  })

  test('what a source says after a while is of a process that is still the same', async () => {
    const { process, processes } = connected()
    let meanwhile = (): void => undefined
    const slow: FactSource = { types: ['slow'], find: async ({ process: { cgroup } }) => {
      await Promise.resolve()
      meanwhile()
      return { selectors: [{ type: 'slow', value: `in:${cgroup ?? ''}` }], missing: [] }
    } }
    const attestor = new WorkloadAttestor(processes, { sha256MaxBytes: 0, tier: 'auto', sources: [slow] })
    const seen = Caller.of(socket, processes)
    let moves = 0
    meanwhile = () => {
      if (moves++ === 0) process.reading = { ...process.reading, cgroup: '/moved' }
    }
    const before = await attestor.attest(seen, nothing)
    expect([...before.facts].filter((fact) => fact.startsWith('slow:'))).toEqual(['slow:in:/moved'])
    meanwhile = () => void (process.reading = { ...process.reading, cgroup: '/moved/again' })
    expect(await attestor.reattest(seen, before, nothing)).toMatchObject({ kind: 'changed', what: ['unsettled'] })
    meanwhile = () => processes.kill(100)
    expect(await attestor.reattest(seen, before, nothing)).toEqual({ kind: 'gone' })
  })

  test('a process that has exited is gone, whoever has its pid', async () => {
    const { processes, attestor, caller } = connected()
    const seen = caller()
    const before = await attestor.attest(seen, nothing)
    processes.kill(100)
    processes.spawn(100, 9_000)
    expect(await attestor.reattest(seen, before, nothing)).toEqual({ kind: 'gone' })
  })
})

function connected(facts: Partial<FakeProcess['reading']> = {}): { processes: FakeProcesses; process: FakeProcess; attestor: WorkloadAttestor; caller: () => Caller } {
  const processes = new FakeProcesses()
  const process = processes.spawn(100, 5_000, facts)
  processes.connected = process
  return { processes, process, attestor: new WorkloadAttestor(processes, { sha256MaxBytes: 1_000, tier: 'auto' }), caller: () => Caller.of(socket, processes) }
}
