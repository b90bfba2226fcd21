import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Binding } from '../../../agent/grants/binding.ts'
import type { BindingEnd } from '../../../agent/grants/binding.ts'
import { EndReports } from '../../../agent/grants/end-reports.ts'
import { descends, pidsAbove } from '../../../agent/grants/lineage.ts'
import { PushedPolicy } from '../../../agent/grants/policy.ts'
import type { Cgroups } from '../../../agent/grants/ports.ts'
import { probesOf } from '../../../agent/grants/probe-config.ts'
import type { RawProbe } from '../../../agent/grants/probe-config.ts'
import { brokenProbe, Probes } from '../../../agent/grants/probes.ts'
import { ProofOfLifeBeat } from '../../../agent/grants/proof-of-life.ts'
import { RememberedCgroups } from '../../../agent/grants/remembered-cgroups.ts'
import { StepRecords } from '../../../agent/grants/step-records.ts'
import { Caller } from '../../../agent/attest/caller.ts'
import { parseAgentConfig } from '../../../agent/config.ts'
import { WorkloadSvid } from '../../../agent/rotation/workload-svid.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { MemoryFiles } from '../../support/agent/memory-files.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeExitWatch, FakeProcesses } from '../../support/processes/fake-processes.ts'
import { TestIssuer } from '../../support/agent/test-issuer.ts'
import { FakeGrantServer } from '../../support/agent/fake-grant-server.ts'

/** Cgroups that say what they are told to. */
class FakeCgroups implements Cgroups {
  readonly made: string[] = []
  readonly released: string[] = []
  readonly inhabited = new Map<string, boolean>()
  readonly #watched: (() => void)[] = []
  readonly #processes: FakeProcesses

  constructor(processes: FakeProcesses) {
    this.#processes = processes
  }

  confine(pid: number, name: string): string | undefined {
    const process = this.#processes.table.get(pid)
    if (process === undefined) return undefined
    const path = `${process.reading.cgroup ?? ''}/${name}`
    process.reading = { ...process.reading, cgroup: path }
    this.made.push(path)
    this.inhabited.set(path, true)
    return path
  }

  populated(path: string): boolean | undefined {
    return this.inhabited.get(path)
  }

  watch(_: string, onChange: () => void): Disposable {
    this.#watched.push(onChange)
    return { [Symbol.dispose]: () => undefined }
  }

  async release(path: string): Promise<void> {
    this.released.push(path)
    this.inhabited.delete(path)
  }

  becomes(path: string, inhabited: boolean | undefined): void {
    if (inhabited === undefined) this.inhabited.delete(path)
    else this.inhabited.set(path, inhabited)
    for (const onChange of this.#watched) onChange()
  }
}

const rootOwned = [{ uid: 0, gid: 0, mode: 0o755 }]

function world(kind: 'process' | 'cgroup' | 'container', tier: 'auto' | 'pid' | 'pidfd' | 'cgroup' = 'auto') {
  const processes = new FakeProcesses()
  processes.owners = rootOwned
  const bound = processes.spawn(100, 5_000)
  processes.connected = bound
  const exitWatch = new FakeExitWatch()
  const cgroups = new FakeCgroups(processes)
  cgroups.inhabited.set('/system.slice/payments.service', true)
  const ends: BindingEnd[] = []
  const subject = Caller.of(undefined as never, processes, tier) // the fake reads no socket
  const clock = new FakeClock()
  const bind = (): Binding => Binding.of(subject, kind, 'g', { clock, processes, exitWatch, cgroups, tier }, (end) => ends.push(end))
  return { processes, exitWatch, cgroups, ends, bind, bound, clock }
}

const other = (pid: number, startTicks: number) => ({ pid, startTicks, alive: () => true })

describe('what a grant is bound to', () => {
  test('the strongest tier that can be had, or the one that is forced', () => {
    expect(world('process').bind().tier).toBe('cgroup')
    expect(world('process', 'pidfd').bind().tier).toBe('pidfd')
    expect(world('process', 'pid').bind().tier).toBe('pid')
    const root = world('process')
    root.bound.reading = { ...root.bound.reading, uids: [0, 0, 0, 0] }
    expect(root.bind().tier).toBe('pidfd') // root leaves any cgroup
    expect(root.cgroups.made).toEqual([])
  })

  test('a cgroup that others may write to binds nobody', () => {
    const { processes, cgroups, bind } = world('process')
    processes.owners = [{ uid: 1000, gid: 1000, mode: 0o755 }]
    expect(bind().tier).toBe('pidfd')
    expect(cgroups.released).toEqual(cgroups.made)
    const wanted = world('cgroup')
    wanted.processes.owners = [{ uid: 0, gid: 0, mode: 0o777 }]
    expect(() => wanted.bind()).toThrowError(expect.objectContaining({ code: 'BINDING_TOO_WEAK' }))
  })

  test('in the tier cgroup whoever is in it belongs, and nobody else', () => {
    const { processes, bind } = world('process')
    const binding = bind()
    processes.spawn(101, 6_000, { cgroup: '/system.slice/payments.service/mayfly-g' })
    processes.spawn(102, 6_000, { cgroup: '/system.slice/payments.service/mayfly-g/below' })
    processes.spawn(103, 6_000, { cgroup: '/system.slice/payments.service' })
    processes.spawn(104, 6_000, { cgroup: '/system.slice/payments.service/mayfly-gx' }).parentPid = 100
    expect([101, 102, 103, 104].map((pid) => binding.has(other(pid, 6_000)))).toEqual([true, true, false, false])
    const place = (pid: number) => ({ cgroup: processes.cgroupOf(pid), pids: pidsAbove(other(pid, 6_000), processes) })
    expect([101, 102, 103, 104].map((pid) => binding.mayHave(place(pid)))).toEqual([true, true, false, false])
  })

  test('below it those that descend from the bound process at that moment belong', () => {
    const { processes, bind } = world('process', 'pidfd')
    const binding = bind()
    processes.spawn(101, 6_000).parentPid = 100
    processes.spawn(102, 6_000).parentPid = 101
    processes.spawn(103, 6_000).parentPid = 1
    expect([101, 102, 103].map((pid) => binding.has(other(pid, 6_000)))).toEqual([true, true, false])
    const place = (pid: number) => ({ cgroup: processes.cgroupOf(pid), pids: pidsAbove(other(pid, 6_000), processes) })
    expect([100, 101, 102, 103].map((pid) => binding.mayHave(place(pid)))).toEqual([true, true, true, false])
    processes.kill(101)
    const orphan = processes.table.get(102)
    if (orphan !== undefined) orphan.parentPid = 1
    expect(binding.has(other(102, 6_000))).toBe(false)
    expect(binding.has(other(102, 7_000))).toBe(false)
  })

  test('it ends with the bound process, once, and takes its cgroup with it', () => {
    const { processes, exitWatch, cgroups, ends, bind } = world('process')
    const binding = bind()
    processes.kill(100)
    exitWatch.fire()
    expect(binding.holds()).toBe(false)
    expect(ends).toEqual([{ cause: 'process_exit', detail: 'process 100 has exited' }])
    binding[Symbol.dispose]()
    expect(cgroups.released).toEqual(cgroups.made)
  })

  test('bound to a cgroup it outlives the first process, and ends with the last', () => {
    const { processes, exitWatch, cgroups, ends, bind } = world('cgroup')
    const binding = bind()
    processes.kill(100)
    exitWatch.fire()
    expect(binding.holds()).toBe(true)
    cgroups.becomes('/system.slice/payments.service/mayfly-g', false)
    expect(ends).toEqual([{ cause: 'process_exit', detail: 'the last process of the cgroup has exited' }])
  })

  test('a container that is emptied was restarted; one that lives on has lost the process', () => {
    const stopped = world('container')
    stopped.bind()
    stopped.processes.kill(100)
    stopped.cgroups.becomes('/system.slice/payments.service', undefined)
    expect(stopped.ends).toMatchObject([{ cause: 'container_restart' }])
    const lost = world('container')
    lost.bind()
    lost.processes.kill(100)
    lost.exitWatch.fire()
    expect(lost.ends).toMatchObject([{ cause: 'process_exit' }])
  })

  test('a container whose other processes follow in a moment was stopped; one whose others live on was not', async () => {
    for (const [follows, cause] of [[true, 'container_restart'], [false, 'process_exit']] as const) {
      const { processes, exitWatch, cgroups, ends, bind, clock } = world('container')
      bind()
      processes.kill(100)
      exitWatch.fire()
      expect(ends).toMatchObject([{ cause: 'process_exit' }]) // access ends at once
      if (follows) cgroups.inhabited.set('/system.slice/payments.service', false)
      await clock.advance(1_000)
      expect(await ends[0]?.settled).toMatchObject({ cause })
    }
  })

  test('a container is bound by the cgroup that its runtime made, by the id that it is attested with', () => {
    const id = 'a1'.repeat(32)
    const { processes, bound, cgroups, ends, bind } = world('container')
    bound.reading = { ...bound.reading, cgroup: `/system.slice/docker-${id}.scope/init.scope` }
    const binding = bind()
    processes.spawn(101, 6_000, { cgroup: `/system.slice/docker-${id}.scope/system.slice/web.service` })
    processes.spawn(102, 6_000, { cgroup: `/system.slice/docker-${'b2'.repeat(32)}.scope/init.scope` })
    expect([101, 102].map((pid) => binding.has(other(pid, 6_000)))).toEqual([true, false])
    processes.kill(100)
    cgroups.becomes(`/system.slice/docker-${id}.scope`, undefined)
    expect(ends).toEqual([{ cause: 'container_restart', detail: `container ${id.slice(0, 12)} has ended` }])
  })

  test('a container in a container binds nobody: its name may be made up', () => {
    const { bound, bind } = world('container')
    bound.reading = { ...bound.reading, cgroup: `/docker/${'a1'.repeat(32)}/docker/${'b2'.repeat(32)}` }
    expect(bind).toThrowError(expect.objectContaining({ code: 'BINDING_TOO_WEAK', message: expect.stringContaining('a container in a container') }))
  })

  test('a bound process that is moved to another cgroup is another container’s', () => {
    const { bound, ends, bind } = world('process')
    const binding = bind()
    bound.reading = { ...bound.reading, cgroup: '/system.slice/other.service' }
    expect(binding.holds()).toBe(false)
    expect(ends).toMatchObject([{ cause: 'container_restart' }])
  })
})

describe('cgroups that an agent made before it was killed', () => {
  test('are released by its next life', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    const processes = new FakeProcesses()
    processes.spawn(100, 1)
    processes.spawn(101, 1)
    const before = new FakeCgroups(processes)
    const killed = new RememberedCgroups(before, folder)
    const kept = killed.confine(100, 'mayfly-a') ?? ''
    await killed.release(killed.confine(101, 'mayfly-b') ?? '')
    const after = new FakeCgroups(processes)
    expect(new RememberedCgroups(after, folder).populated(kept)).toBeUndefined()
    await settle()
    expect(after.released).toEqual([kept])
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
  })
})

describe('descent', () => {
  test('a loop or a tree without end is nobody’s', () => {
    const processes = new FakeProcesses()
    processes.spawn(10, 1).parentPid = 11
    processes.spawn(11, 1).parentPid = 10
    processes.spawn(12, 1)
    expect(descends({ pid: 10, startTicks: 1 }, { pid: 12, startTicks: 1 }, processes)).toBe(false)
  })

  test('a number that was given anew is not the ancestor', () => {
    const processes = new FakeProcesses()
    processes.spawn(10, 9)
    processes.spawn(11, 10).parentPid = 10
    expect(descends({ pid: 11, startTicks: 10 }, { pid: 10, startTicks: 9 }, processes)).toBe(true)
    expect(descends({ pid: 11, startTicks: 10 }, { pid: 10, startTicks: 5 }, processes)).toBe(false)
  })
})

describe('ends on their way to the server', () => {
  test('one is told again until it is taken, and is on disk meanwhile', async () => {
    const clock = new FakeClock()
    const server = new FakeGrantServer(clock)
    const files = new MemoryFiles()
    server.away = true
    const reports = await EndReports.start({ clock, random: new SeededRandom(), log: new KeptLog(), server, files })
    const told = reports.report({ grantId: 'nobody', cause: 'completed', outcome: '', detail: '' })
    await clock.advance(3_000)
    expect(files.contents.get('grants-ended.json')).toContain('nobody')
    server.away = false
    await Promise.all([expect(told).rejects.toMatchObject({ code: 'NOT_FOUND' }), clock.advance(10_000)]) // it knows no such grant: nothing is left to end
    await settle()
    expect(reports.size).toBe(0)
    expect(files.contents.has('grants-ended.json')).toBe(false)
    await reports[Symbol.asyncDispose]()
  })

  test('a file that cannot be read is no obstacle', async () => {
    const files = new MemoryFiles()
    files.contents.set('grants-ended.json', '{ broken')
    const clock = new FakeClock()
    const log = new KeptLog()
    const reports = await EndReports.start({ clock, random: new SeededRandom(), log, server: new FakeGrantServer(clock), files })
    expect(log.facts).toMatchObject([{ event: 'state.unreadable' }])
    await reports[Symbol.asyncDispose]()
  })
})

describe('steps on their way into the record', () => {
  const step = { grantId: 'g', action: 'write', resource: 'db:orders', description: '', allowed: true, reasons: [], atMs: 1, policyHash: '' }

  test('those that come together are recorded together, in order', async () => {
    const clock = new FakeClock()
    const server = new FakeGrantServer(clock)
    const records = new StepRecords({ clock, random: new SeededRandom(), log: new KeptLog(), server })
    for (let at = 0; at < 5; at++) records.add({ ...step, atMs: at })
    await clock.advance(250)
    expect(server.recorded.map(({ atMs }) => atMs)).toEqual([0, 1, 2, 3, 4])
    const closing = records[Symbol.asyncDispose]()
    await clock.advance(1_000)
    await closing
  })

  test('when they cannot be written down for long, no further step is let pass', async () => {
    const clock = new FakeClock()
    const server = new FakeGrantServer(clock)
    server.away = true
    const records = new StepRecords({ clock, random: new SeededRandom(), log: new KeptLog(), server })
    records.add(step)
    await clock.advance(14_000)
    expect(records.accepts).toBe(true)
    await clock.advance(2_000)
    expect(records.accepts).toBe(false)
    server.away = false
    await clock.advance(3_000)
    expect(records.accepts).toBe(true)
    const closing = records[Symbol.asyncDispose]()
    await clock.advance(1_000)
    await closing
  })
})

describe('posture', () => {
  test('a probe that fails, or changes, breaks; one that is not demanded does not', () => {
    const was = [{ name: 'a', ok: true, value: '1' }, { name: 'b', ok: true, value: '1' }]
    expect(brokenProbe(['a'], was, was)).toBeUndefined()
    expect(brokenProbe(['a'], was, [{ name: 'a', ok: false, value: '1' }])).toBe('a')
    expect(brokenProbe(['a'], was, [{ name: 'a', ok: true, value: '2' }])).toBe('a')
    expect(brokenProbe(['a'], was, [was[0] ?? {}, { name: 'b', ok: false, value: '1' }])).toBeUndefined()
    expect(brokenProbe(['unknown'], was, was)).toBe('unknown')
  })

  test('it is looked at each minute while a grant lives, and a change is told', async () => {
    const clock = new FakeClock()
    let value = 'good'
    let wanted = false
    const probes = Probes.start([{ kind: 'kernel', name: 'k', key: 'kernel.k', value: 'good' }], {
      clock,
      log: new KeptLog(),
      senses: { digest: async () => '', run: async () => 0, kernel: async () => value },
      wanted: () => wanted,
    })
    const told: unknown[] = []
    probes.changed.on((results) => told.push(results))
    expect(await probes.look()).toEqual([{ name: 'k', ok: true, value: 'good' }])
    value = 'bad'
    await clock.advance(120_000)
    expect(told).toEqual([])
    wanted = true
    await clock.advance(2_000)
    expect(told).toEqual([[{ name: 'k', ok: false, value: 'bad' }]])
    await probes[Symbol.asyncDispose]()
  })

  test('is configured as a list of named probes', () => {
    const { probes } = parseAgentConfig('probes:\n  - { name: image, file: /etc/os-release }\n  - name: fw\n    command: [/bin/true]\n    timeout: 2s\n  - { name: aslr, kernel: kernel.randomize_va_space, value: "2" }\n', {}, 'agent.yaml', 0)
    expect(probes).toEqual([
      { kind: 'file', name: 'image', path: '/etc/os-release', sha256: undefined },
      { kind: 'command', name: 'fw', argv: ['/bin/true'], limitMs: 2_000 },
      { kind: 'kernel', name: 'aslr', key: 'kernel.randomize_va_space', value: '2' },
    ])
    expect(() => parseAgentConfig('probes:\n  - { name: a, file: relative }\n  - { name: a, kernel: k }\n', {}, 'agent.yaml', 0)).toThrowError(/probes\[0\].*\n.*probes\[1\]/)
  })

  test('what makes no probe is said', () => {
    const base: RawProbe = { name: 'a', file: undefined, sha256: undefined, command: undefined, timeout: 1, kernel: undefined, value: undefined }
    const wrong: readonly Partial<RawProbe>[] = [{}, { name: 'A b', file: '/x' }, { file: '/x', kernel: 'k', value: 'v' }, { file: '/x', sha256: 'zz' }, { command: ['true'] }, { command: [] }, { kernel: '../../etc/passwd', value: 'x' }]
    for (const part of wrong) {
      const problems: string[] = []
      probesOf([{ ...base, ...part }], (_, message) => problems.push(message))
      expect(problems, JSON.stringify(part)).not.toEqual([])
    }
  })
})

describe('the policy that was pushed', () => {
  const decider = (hash: string) => ({ hash, decide: () => ({ allowed: true, reasons: [], policyHash: hash, approvalsWanted: 0 }) })

  test('nothing is loaded before a step is decided', async () => {
    let loads = 0
    const policy = new PushedPolicy(async () => {
      loads++
      return decider('a')
    }, new KeptLog())
    policy.replace({ hash: 'a', policies: '{}' })
    expect(loads).toBe(0)
    await policy.current()
    await policy.current()
    expect(loads).toBe(1)
  })

  test('a step that waits for one that is replaced meanwhile gets the newer one', async () => {
    const gate = Promise.withResolvers<void>()
    const policy = new PushedPolicy(async (set) => {
      if (Object.hasOwn(set, 'old')) await gate.promise
      return decider(Object.hasOwn(set, 'old') ? 'old' : 'new')
    }, new KeptLog())
    policy.replace({ hash: 'old', policies: '{"old":""}' })
    const waiting = policy.current()
    policy.replace({ hash: 'new', policies: '{"new":""}' })
    expect(policy.ready).toBeUndefined()
    gate.resolve()
    expect((await waiting).hash).toBe('new')
    expect(policy.ready?.hash).toBe('new')
  })

  test('one that is not what the server says, or none at all, decides nothing', async () => {
    const policy = new PushedPolicy(async () => decider('b'), new KeptLog())
    await expect(policy.current()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    for (const policies of ['{}', '[]', 'no', '{"a":1}']) {
      policy.replace({ hash: `x${policies}`, policies })
      await expect(policy.current()).rejects.toBeInstanceOf(MayflyError)
    }
  })
})

describe('the key of a grant', () => {
  test('is overwritten where the agent holds it, and was never copied on the way there', () => {
    const nowMs = Date.UTC(2026, 0, 1)
    const key = PrivateKey.generate()
    const chain = [new TestIssuer('test.example', nowMs).sign(buildCsr(key), 'spiffe://test.example/job/task/1', nowMs, 60_000)]
    const svid = WorkloadSvid.of({ entryId: '1', revision: 0, spiffeId: parseSpiffeId('spiffe://test.example/job/task/1'), key }, chain, { nowMs, bootMs: 0 })
    const handedOut = svid.pkcs8
    expect(handedOut.some((byte) => byte !== 0)).toBe(true)
    svid.wipe()
    expect(handedOut.every((byte) => byte === 0)).toBe(true)
  })
})

describe('vouching', () => {
  test('every five seconds, at once after a change and on a new connection; that nobody lives is said once', async () => {
    const clock = new FakeClock()
    let living = ['a']
    const beat = ProofOfLifeBeat.start({ clock, living: () => living, probes: () => [] })
    expect(beat.next()).toBeUndefined()
    beat.reconnected()
    expect(beat.next()).toMatchObject({ grantIds: ['a'] })
    await clock.advance(5_000)
    expect(beat.next()).toMatchObject({ grantIds: ['a'] })
    living = []
    beat.say()
    expect(beat.next()).toMatchObject({ grantIds: [] })
    beat.say()
    expect(beat.next()).toBeUndefined()
    beat.reconnected()
    expect(beat.next()).toMatchObject({ grantIds: [] })
    await beat[Symbol.asyncDispose]()
  })
})
