import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, chownSync, constants, copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, realpathSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from 'vitest'
import { WorkloadAttestor } from '../../../agent/attest/attestor.ts'
import { Caller } from '../../../agent/attest/caller.ts'
import type { TierChoice } from '../../../agent/attest/caller.ts'
import type { Processes } from '../../../agent/attest/ports.ts'
import { linuxProcesses } from '../../../src/system/linux/processes.ts'
import { selfTestPeerCredentials } from '../../../src/system/linux/peer-credentials.ts'
import { isRoot, Listener, skipAloud, Workload } from '../../support/processes/processes.ts'

// The real system keeps the promises of the port: checked by the compiler here, as in the agent's main.
const processes: Processes = linuxProcesses()
const attestor = attestorOf('auto')
const nothing: ReadonlySet<string> = new Set()
const hash: ReadonlySet<string> = new Set(['unix:sha256'])
const node = realpathSync(process.execPath)
const nobody = { uid: 65534, gid: 65534 }
const unified = '/sys/fs/cgroup/unified'
const cgroups = existsSync(join(unified, 'cgroup.procs')) ? unified : existsSync('/sys/fs/cgroup/cgroup.procs') ? '/sys/fs/cgroup' : undefined
const canUnshare = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0
const canMakeCgroups = isRoot && cgroups !== undefined && isWritable(cgroups)
const { pidfd: hasPeerPidfd } = await selfTestPeerCredentials()

const callers: Caller[] = []
afterEach(() => {
  for (const caller of callers.splice(0)) caller[Symbol.dispose]()
})

if (!isRoot) skipAloud('attestation of other users: needs root')
if (!canUnshare) skipAloud('an executable in a mount namespace of its own: needs root and unshare(1)')
if (!canMakeCgroups) skipAloud('binding tier cgroup: needs root and a cgroup v2 hierarchy that can be written')
if (!hasPeerPidfd) skipAloud('binding tiers pidfd and cgroup: this kernel has no SO_PEERPIDFD')

describe('attestation of real processes', () => {
  test('this very process', async () => {
    await using listener = await listen()
    await using workload = await Workload.start({ socket: listener.path })
    const { value: caller } = await listener.accepted()
    const found = await attestor.attest(caller, hash)
    expect(found).toMatchObject({ pid: workload.pid, uid: process.geteuid?.(), gid: process.getegid?.(), path: node, tier: hasPeerPidfd ? 'pidfd' : 'pid' })
    expect(found.sha256).toBe(createHash('sha256').update(readFileSync(node)).digest('hex'))
    expect(await attestor.reattest(caller, found, hash)).toEqual({ kind: 'unchanged', attestation: found })
    await workload.kill()
    expect(await attestor.reattest(caller, found, hash)).toEqual({ kind: 'gone' })
    await expect(attestor.attest(caller, nothing)).rejects.toMatchObject({ code: 'PROCESS_GONE' })
  })

  test('of a connection that was closed in the middle is gone, not a fault', async () => {
    await using listener = await listen()
    await using workload = await Workload.start({ socket: listener.path })
    const { value: caller } = await listener.accepted()
    const found = attestor.attest(caller, hash)
    caller[Symbol.dispose]()
    await expect(found).rejects.toMatchObject({ code: 'PROCESS_GONE' })
    expect(workload.pid).toBe(caller.pid)
  })

  test.runIf(isRoot)('of another user, with supplementary groups', async () => {
    await using listener = await listen()
    await using workload = await Workload.start({ socket: listener.path, ...nobody, groups: [1, 2, 65534] })
    const { value: caller } = await listener.accepted()
    const { facts, groups, pid } = await attestor.attest(caller, nothing)
    expect({ groups, pid }).toEqual({ groups: [1, 2, 65534], pid: workload.pid })
    for (const fact of ['unix:uid:65534', 'unix:user:nobody', 'unix:gid:65534', 'unix:supplementary_gid:1', 'unix:supplementary_gid:2', 'unix:supplementary_group:daemon']) expect(facts).toContain(fact)
  })

  test.runIf(isRoot)('each of many at once is told apart, whatever the tier', async () => {
    for (const tier of hasPeerPidfd ? (['pidfd', 'pid'] as const) : (['pid'] as const)) {
      await using listener = await listen(tier)
      await using stack = new AsyncDisposableStack()
      const workloads = await Promise.all(Array.from({ length: 8 }, async (_, at) => stack.use(await Workload.start({ socket: listener.path, uid: 61_000 + at, gid: 62_000 + at }))))
      const found = await Promise.all(Array.from({ length: 8 }, async () => attestorOf(tier).attest((await listener.accepted()).value, nothing)))
      expect(found.every((attestation) => attestation.tier === tier)).toBe(true)
      expect(found.map(({ pid, uid, gid }) => `${pid} ${uid} ${gid}`).toSorted()).toEqual(workloads.map(({ pid }, at) => `${pid} ${61_000 + at} ${62_000 + at}`).toSorted())
    }
  })

  test.runIf(isRoot)('a process that changes its groups after the connection is changed', async () => {
    await using listener = await listen()
    await using workload = await Workload.start({ socket: listener.path, groups: [1] })
    const { value: caller } = await listener.accepted()
    const before = await attestor.attest(caller, nothing)
    await workload.tell({ do: 'setgroups', groups: [1, 2] })
    expect(await attestor.reattest(caller, before, nothing)).toMatchObject({ kind: 'changed', what: ['groups'] })
    await workload.tell({ do: 'setgid', gid: 5 })
    expect(await attestor.reattest(caller, before, nothing)).toMatchObject({ kind: 'changed', what: ['gid', 'groups'] })
    await expect(attestor.attest(caller, nothing)).rejects.toMatchObject({ code: 'FACTS_CHANGED' })
  })

  test('a process that executes another program is changed, though it is the same process', async () => {
    await using listener = await listen()
    await using workload = await Workload.start({ socket: listener.path })
    const { value: caller, socket } = await listener.accepted()
    const before = await attestor.attest(caller, nothing)
    const closed = once(socket.resume(), 'close')
    workload.send({ do: 'exec', file: '/bin/sleep', args: ['60'] })
    await closed // the connection is close-on-exec
    expect(await attestor.reattest(caller, before, nothing)).toMatchObject({ kind: 'changed', what: ['executable', 'path'] })
  })

  test('a child that inherited the connection is not answered once the attested process has died', async () => {
    for (const tier of hasPeerPidfd ? (['auto', 'pid'] as const) : (['pid'] as const)) {
      await using listener = await listen(tier)
      await using workload = await Workload.start({ socket: listener.path })
      const { value: caller, socket } = await listener.accepted()
      const attestorOfTier = attestorOf(tier)
      const before = await attestorOfTier.attest(caller, nothing)
      const { heir } = await workload.tell({ do: 'bequeath', exit: true })
      await workload.exited
      const [said] = await once(socket, 'data') // the heir speaks on the very connection that was attested
      expect(String(said)).toMatch(/^heir/)
      expect(await attestorOfTier.reattest(caller, before, nothing)).toEqual({ kind: 'gone' })
      await expect(attestorOfTier.attest(caller, nothing)).rejects.toMatchObject({ code: 'PROCESS_GONE' })
      process.kill(Number(heir), 'SIGKILL')
    }
  })
})

describe('the executable', () => {
  test('two hard links of one binary are told apart by their paths, and have one sha256', async () => {
    await using listener = await listen()
    const [one, other] = [join(listener.directory, 'one'), join(listener.directory, 'other')]
    copyFileSync(node, one)
    linkSync(one, other)
    await using first = await Workload.start({ socket: listener.path }, one)
    const a = await attestor.attest((await listener.accepted()).value, hash)
    await using second = await Workload.start({ socket: listener.path }, other)
    const b = await attestor.attest((await listener.accepted()).value, hash)
    expect([a.path, b.path]).toEqual([one, other])
    expect(a.sha256).toBe(b.sha256)
    expect(first.pid).not.toBe(second.pid)
  })

  test('deleted while it runs, it gives no path selector, and that is a change', async () => {
    await using listener = await listen()
    const program = join(listener.directory, 'program')
    copyFileSync(node, program)
    await using workload = await Workload.start({ socket: listener.path }, program)
    const { value: caller } = await listener.accepted()
    const before = await attestor.attest(caller, nothing)
    expect(before.path).toBe(program)
    rmSync(program)
    expect(await attestor.reattest(caller, before, nothing)).toMatchObject({ kind: 'changed', what: ['path'] })
    const { facts, missing } = await attestor.attest(caller, nothing)
    expect([...facts].some((fact) => fact.startsWith('unix:path'))).toBe(false)
    expect(missing).toContainEqual({ kind: 'unix:path', why: 'the running file was deleted or replaced' })
    // Neither does a file that is put in its place under the name that the kernel shows.
    writeFileSync(`${program} (deleted)`, '')
    expect((await attestor.attest(caller, nothing)).path).toBeUndefined()
    expect(workload.pid).toBe(before.pid)
  })

  test('a file whose own name ends as the mark of a deleted one gives no path selector', async () => {
    await using listener = await listen()
    const program = join(listener.directory, 'program (deleted)')
    copyFileSync(node, program)
    await using _ = await Workload.start({ socket: listener.path }, program)
    expect((await attestor.attest((await listener.accepted()).value, nothing)).path).toBeUndefined()
  })

  test('larger than the limit, it gives no sha256 selector', async () => {
    await using listener = await listen()
    await using _ = await Workload.start({ socket: listener.path })
    const { value: caller } = await listener.accepted()
    const size = statSync(node).size
    const { facts, missing } = await attestorOf('auto', size - 1).attest(caller, hash)
    expect([...facts].some((fact) => fact.startsWith('unix:sha256'))).toBe(false)
    expect(missing.map(({ kind }) => kind)).toContain('unix:sha256')
    expect((await attestorOf('auto', size).attest(caller, hash)).sha256).toHaveLength(64)
  })

  test.runIf(canUnshare)('mounted over a trusted path in a mount namespace of its own, it is not taken for what lies there', async () => {
    await using listener = await listen()
    const trusted = join(listener.directory, 'trusted', 'node')
    const evil = join(listener.directory, 'evil', 'node')
    for (const path of [trusted, evil]) {
      mkdirSync(dirname(path))
      copyFileSync(node, path)
    }
    const script = new URL('../../support/processes/workload.mjs', import.meta.url).pathname
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', 'mount --bind "$1" "$2" && exec "$2/node" "$3" "$4"', 'sh', dirname(evil), dirname(trusted), script, JSON.stringify({ socket: listener.path })], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
      const { value: caller } = await listener.accepted()
      const { path, executable, missing } = await attestor.attest(caller, nothing)
      expect(executable).toMatchObject({ kind: 'elsewhere', path: trusted }) // what SPIRE would state as unix:path
      expect(path).toBeUndefined()
      expect(missing.map(({ kind }) => kind)).toContain('unix:path')
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
})

describe.runIf(canMakeCgroups && hasPeerPidfd)('the tier cgroup, in a real one', () => {
  test('an ordinary process in a cgroup of root reaches it; delegated or moved, it no longer does', async () => {
    const directory = join(cgroups ?? '', `mayfly-test-${process.pid}`)
    await using listener = await listen()
    await using stack = new AsyncDisposableStack()
    for (const path of [directory, join(directory, 'leaf'), join(directory, 'other')]) {
      mkdirSync(path)
      stack.defer(() => rmdirSync(path))
    }
    const workload = stack.use(await Workload.start({ socket: listener.path, ...nobody, groups: [] }))
    const { value: caller } = await listener.accepted()
    writeFileSync(join(cgroups ?? '', 'cgroup.procs'), String(workload.pid))
    expect((await attestor.attest(caller, nothing)).tier).toBe('pidfd') // the root cgroup
    writeFileSync(join(directory, 'leaf', 'cgroup.procs'), String(workload.pid))
    const bound = await attestor.attest(caller, nothing)
    expect(bound).toMatchObject({ tier: 'cgroup', cgroup: `/${directory.slice((cgroups ?? '').length + 1)}/leaf` })
    expect(await attestor.reattest(caller, bound, nothing)).toMatchObject({ kind: 'unchanged' })
    writeFileSync(join(directory, 'other', 'cgroup.procs'), String(workload.pid))
    expect(await attestor.reattest(caller, bound, nothing)).toMatchObject({ kind: 'changed', what: ['cgroup'] })
    chownSync(join(directory, 'cgroup.procs'), nobody.uid, nobody.gid) // delegated from above
    expect(await attestor.attest(caller, nothing)).toMatchObject({ tier: 'pidfd' })
  })
})

describe.runIf(canMakeCgroups)('a container, in a real cgroup of version 2', () => {
  test('is the one that root made a cgroup for; delegated to a user, the name above it proves nothing', async () => {
    const id = 'a1'.repeat(32)
    const slice = join(cgroups ?? '', `mayfly-test-${process.pid}.slice`)
    const scope = join(slice, `docker-${id}.scope`)
    await using listener = await listen()
    await using stack = new AsyncDisposableStack()
    for (const path of [slice, scope]) {
      mkdirSync(path)
      stack.defer(() => rmdirSync(path))
    }
    const workload = stack.use(await Workload.start({ socket: listener.path, ...nobody, groups: [] }))
    const { value: caller } = await listener.accepted()
    writeFileSync(join(scope, 'cgroup.procs'), String(workload.pid))
    const { facts } = await attestor.attest(caller, nothing)
    expect([...facts].filter((fact) => !fact.startsWith('unix:'))).toEqual([`container:id:${id}`, 'container:runtime:docker', `systemd:id:docker-${id}.scope`])
    chownSync(slice, nobody.uid, nobody.gid)
    const delegated = await attestor.attest(caller, nothing)
    expect([...delegated.facts].filter((fact) => !fact.startsWith('unix:'))).toEqual([])
    expect(delegated.missing).toContainEqual({ kind: 'container', why: 'its cgroup is in a folder of a user, who may call it anything' })
  })
})

const legacy = '/sys/fs/cgroup/pids'
const canMakeLegacy = isRoot && existsSync(join(legacy, 'cgroup.procs')) && isWritable(legacy) && !existsSync(join(legacy, 'docker'))
if (!canMakeLegacy) skipAloud('a container by cgroups of version 1: needs root, that hierarchy, and no Docker on it')

describe.runIf(canMakeLegacy)('a container, in a real cgroup of version 1', () => {
  test('is the one that its controllers name, until it is moved', async () => {
    const id = 'a1'.repeat(32)
    const folder = join(legacy, 'docker')
    await using listener = await listen()
    await using stack = new AsyncDisposableStack()
    for (const path of [folder, join(folder, id)]) {
      mkdirSync(path)
      stack.defer(() => rmdirSync(path))
    }
    const workload = stack.use(await Workload.start({ socket: listener.path, ...nobody, groups: [] }))
    const { value: caller } = await listener.accepted()
    const wanted = new Set(['container:id'])
    writeFileSync(join(folder, id, 'cgroup.procs'), String(workload.pid))
    const inside = await attestor.attest(caller, wanted)
    expect([...inside.facts]).toContain(`container:id:${id}`)
    expect(await attestor.reattest(caller, inside, wanted)).toMatchObject({ kind: 'unchanged' })
    writeFileSync(join(legacy, 'cgroup.procs'), String(workload.pid))
    expect(await attestor.reattest(caller, inside, wanted)).toMatchObject({ kind: 'changed', what: ['facts'] })
  })
})

async function listen(tier: TierChoice = 'auto'): Promise<Listener<Caller>> {
  return Listener.open((socket: Socket) => {
    const caller = Caller.of(socket, processes, tier)
    callers.push(caller)
    return caller
  })
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function attestorOf(tier: TierChoice, sha256MaxBytes = 1 << 30): WorkloadAttestor {
  return new WorkloadAttestor(processes, { sha256MaxBytes, tier })
}
