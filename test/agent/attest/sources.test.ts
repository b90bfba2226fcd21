import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { containers } from '../../../agent/attest/container.ts'
import { Docker } from '../../../agent/attest/docker.ts'
import { factsOf } from '../../../agent/attest/fact-source.ts'
import type { FactSource, FoundFacts, Sighting } from '../../../agent/attest/fact-source.ts'
import type { FileOwner, ProcessReading } from '../../../agent/attest/ports.ts'
import { systemd } from '../../../agent/attest/systemd.ts'
import { unix } from '../../../agent/attest/unix.ts'
import { formatSelector } from '../../../src/core/selector.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { workloadAttestor } from '../../../examples/attestor/workload.ts'
import { dockerContainer, fakeDaemon } from '../../support/attest/fake-daemon.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeProcesses, someFile } from '../../support/processes/fake-processes.ts'

const id = 'a1'.repeat(32)
const other = 'b2'.repeat(32)
const podUid = '0f3c2a1e-5b6d-4c7e-8f90-123456789abc'
const dockerPath = `/system.slice/docker-${id}.scope`
const rootOwned: readonly FileOwner[] = [{ uid: 0, gid: 0, mode: 0o755 }]
const userOwned: readonly FileOwner[] = [{ uid: 0, gid: 0, mode: 0o755 }, { uid: 1000, gid: 1000, mode: 0o755 }]
const everything = new Set(['docker:label', 'docker:env', 'docker:image_id', 'docker:image_config_digest'])

function seen(facts: Partial<ProcessReading> = {}, needs: ReadonlySet<string> = new Set()): Sighting {
  const process: ProcessReading = {
    pid: 100, startTicks: 5_000, uid: 1000, gid: 1000, uids: [1000, 1000, 1000, 1000], groups: [], capabilities: 0n, executable: { kind: 'file', path: '/usr/bin/web', file: someFile },
    cgroup: '/system.slice/web.service', controllerCgroups: [], ...facts,
  }
  return { process, sha256: undefined, needs }
}

function world(owners: readonly FileOwner[] | undefined = rootOwned): FakeProcesses {
  const processes = new FakeProcesses()
  processes.owners = owners
  processes.invocations.set('web.service', 'c'.repeat(32))
  return processes
}

async function said(source: FactSource, sighting: Sighting): Promise<readonly string[]> {
  return (await source.find(sighting)).selectors.map(formatSelector)
}

async function whyNot(source: FactSource, sighting: Sighting): Promise<readonly string[]> {
  return (await source.find(sighting)).missing.map(({ kind, why }) => `${kind}: ${why}`)
}

describe.each<readonly [string, (processes: FakeProcesses) => FactSource, Sighting, readonly string[]]>([
  ['unix', unix, seen(), ['unix:uid:1000', 'unix:user:alice', 'unix:gid:1000', 'unix:group:users', 'unix:path:/usr/bin/web']],
  ['container', containers, seen({ cgroup: `/kubepods.slice/kubepods-pod${podUid.replaceAll('-', '_')}.slice/crio-${id}.scope` }), [`container:id:${id}`, 'container:runtime:cri-o', `k8s:pod-uid:${podUid}`]],
  ['systemd', systemd, seen(), ['systemd:id:web.service', `systemd:invocation_id:${'c'.repeat(32)}`]],
  ['docker', (processes) => new Docker({ dockerSocket: undefined, podmanSocket: undefined }, { clock: systemClock, processes }), seen(), []],
  ['the example of docs/attestors.md', () => workloadAttestor({ readFile: () => 'rack=7\nzone=b\n' }), seen(), ['machine:rack:7', 'machine:zone:b']],
])('the workload attestor %s', (_, make, sighting, selectors) => {
  test('says the same of the same reading, and only of its own types', async () => {
    const source = make(world())
    expect(await said(source, sighting)).toEqual(selectors)
    expect(await said(source, sighting)).toEqual(selectors)
    expect(selectors.every((text) => source.types.includes(text.split(':')[0] ?? ''))).toBe(true)
  })

  test('whatever the kernel says of a process, it answers: with fit selectors, and why others are missing', async () => {
    const source = make(world())
    const paths = fc.oneof(fc.constantFrom('/', '/..', dockerPath, `/docker/${id}/docker/${other}`, '/user.slice/x', `/a/${'b'.repeat(5_000)}`), fc.string().map((text) => `/${text}`))
    await fc.assert(
      fc.asyncProperty(fc.option(paths, { nil: undefined }), fc.array(paths, { maxLength: 3 }), async (cgroup, controllerCgroups) => {
        const found = await source.find(seen({ cgroup, controllerCgroups }, everything))
        expect(found.selectors.every(({ type, value }) => source.types.includes(type) && value !== '' && value.length <= 4_200)).toBe(true)
        expect(found.missing.every(({ why }) => why !== '')).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

describe('containers', () => {
  const k8s = `/kubepods/burstable/pod${podUid}/${id}`

  test('a cgroup that a user may make proves nothing', async () => {
    const rootless = seen({ cgroup: `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope` })
    expect(await said(containers(world(userOwned)), rootless)).toEqual([])
    expect(await whyNot(containers(world(userOwned)), rootless)).toEqual(['container: its cgroup is in a folder of a user, who may call it anything', 'k8s: its cgroup is in a folder of a user, who may call it anything'])
    expect(await said(containers(world([{ uid: 0, gid: 0, mode: 0o777 }])), seen({ cgroup: dockerPath }))).toEqual([])
    expect(await said(containers(world()), seen({ cgroup: dockerPath }))).toContain(`container:id:${id}`)
  })

  test('its owners are asked above the container: what is below it is the container’s own', async () => {
    const asked: string[] = []
    await said(containers({ cgroupOwners: (path) => (asked.push(path), rootOwned) }), seen({ cgroup: `${dockerPath}/init.scope` }))
    expect(asked).toEqual(['/system.slice'])
  })

  test('version 1: the hierarchies agree, and lie where runtimes make theirs', async () => {
    const source = containers(world(undefined))
    const legacy = (...controllerCgroups: readonly string[]): Sighting => seen({ cgroup: undefined, controllerCgroups })
    expect(await said(source, legacy(`/docker/${id}`, '/'))).toEqual([`container:id:${id}`, 'container:runtime:docker'])
    expect(await said(source, legacy(k8s, `${k8s}/init.scope`))).toEqual([`container:id:${id}`, `k8s:pod-uid:${podUid}`])
    expect(await said(source, legacy(`/docker/${id}`, `/docker/${other}`))).toEqual([])
    expect(await said(source, legacy(`/user.slice/docker/${id}`))).toEqual([])
    expect(await said(source, legacy(`/docker/${other}/docker/${id}`))).toEqual([])
    expect(await said(source, legacy('/', '/system.slice/web.service'))).toEqual([])
  })
})

describe('systemd', () => {
  test('a unit of a user is the manager of that user', async () => {
    expect(await said(systemd(world()), seen({ cgroup: '/user.slice/user-1000.slice/user@1000.service/app.slice/web.service' }))).toEqual(['systemd:id:user@1000.service'])
  })

  test('a folder called like a unit, made by a user, is none', async () => {
    expect(await said(systemd(world(userOwned)), seen({ cgroup: '/user.slice/web.service' }))).toEqual([])
    expect(await whyNot(systemd(world(undefined)), seen({ cgroup: '/system.slice/web.service' }))).toEqual([])
    expect(await whyNot(systemd({ cgroupOwners: () => undefined, unitInvocation: () => undefined }), seen())).toEqual(['systemd: the agent cannot see whose its cgroup is'])
  })

  test('without a run that systemd knows, the unit alone is said', async () => {
    const processes = world()
    processes.invocations.clear()
    expect(await said(systemd(processes), seen())).toEqual(['systemd:id:web.service'])
    expect(await whyNot(systemd(processes), seen({ cgroup: undefined }))).toEqual(['systemd: this host has no cgroups of version 2'])
  })
})

describe('docker, against a daemon on a real socket', () => {
  const container = dockerContainer(id, { Labels: { tier: 'web', 'com.example.owner': 'a:b' }, Env: ['PORT=80', 'SECRET=x'], Image: 'registry.example.org/web:1' })
  const docker = (dockerSocket: string | undefined, podmanSocket?: string): Docker => new Docker({ dockerSocket, podmanSocket }, { clock: systemClock, processes: world() })
  const inDocker = (...needs: readonly string[]): Sighting => seen({ cgroup: dockerPath }, new Set(needs))

  test("SPIRE's selectors, of the kinds that an entry asks for, asked once a container", async () => {
    const daemon = await fakeDaemon({ [id]: container })
    const source = docker(daemon.socketPath)
    expect(await said(source, inDocker())).toEqual([])
    expect(daemon.asked).toEqual([])
    expect(await Promise.all([said(source, inDocker('docker:label')), said(source, inDocker('docker:label'))])).toEqual(Array.from({ length: 2 }, () => ['docker:label:tier:web', 'docker:label:com.example.owner:a:b']))
    expect(await said(source, inDocker('docker:env'))).toEqual(['docker:env:PORT=80', 'docker:env:SECRET=x'])
    expect(await said(source, inDocker('docker:image_id', 'docker:image_config_digest'))).toEqual(['docker:image_id:registry.example.org/web:1', `docker:image_config_digest:sha256:${'d'.repeat(64)}`])
    expect(daemon.asked).toEqual([`/containers/${id}/json`])
  })

  test("Podman's containers are asked of Podman", async () => {
    const daemon = await fakeDaemon({ [id]: container })
    const podman = seen({ cgroup: `/machine.slice/libpod-${id}.scope/container` }, new Set(['docker:label']))
    expect(await said(docker(undefined, daemon.socketPath), podman)).toContain('docker:label:tier:web')
    expect(await whyNot(docker(daemon.socketPath), podman)).toEqual(['docker: the agent has no attest.podmanSocket to ask'])
  })

  test('a container without labels and environment has none', async () => {
    const daemon = await fakeDaemon({ [id]: dockerContainer(id, { Labels: null, Env: null }, '') })
    expect(await said(docker(daemon.socketPath), inDocker(...everything))).toEqual([])
  })

  test.each<readonly [string, (daemon: Awaited<ReturnType<typeof fakeDaemon>>) => void, string]>([
    ['knows no such container', () => undefined, 'the daemon knows no such container'],
    ['speaks of another container', (daemon) => (daemon.answer = (_, response) => void response.end(JSON.stringify(dockerContainer(other, {})))), 'it is about another container'],
    ['answers no JSON', (daemon) => (daemon.answer = (_, response) => void response.end('<html>')), 'it is no JSON'],
    ['answers another shape', (daemon) => (daemon.answer = (_, response) => void response.end(JSON.stringify({ Id: id, Config: { Labels: { a: 1 } } }))), 'a part of it is no text'],
    ['answers for ever', (daemon) => (daemon.answer = (_, response) => void response.write(Buffer.alloc(2_000_000, 0x20))), 'more than 1048576 bytes'],
    ['breaks off', (daemon) => (daemon.answer = (request) => void request.socket.destroy()), 'no daemon answers'],
    ['leads elsewhere', (daemon) => (daemon.answer = (_, response) => void response.writeHead(302, { location: '/other' }).end()), 'the daemon answered 302'],
  ])('a daemon that %s takes nothing but its own facts away', async (_, spoil, why) => {
    const daemon = await fakeDaemon({})
    spoil(daemon)
    const sources = [unix(world()), docker(daemon.socketPath)]
    const found = await factsOf(sources, inDocker('docker:label'))
    expect(found.selectors.map(formatSelector)).toContain('unix:uid:1000')
    expect(found.selectors.some(({ type }) => type === 'docker')).toBe(false)
    expect(found.missing).toContainEqual({ kind: 'docker', why: expect.stringContaining(why) })
    expect(await factsOf(sources, inDocker('docker:label'))).toEqual(found)
    expect(daemon.asked).toHaveLength(2)
  })

  test('a daemon that does not answer is given up after two seconds, and asked again', async () => {
    const daemon = await fakeDaemon({ [id]: container })
    const usual = daemon.answer
    const { promise: heard, resolve } = Promise.withResolvers<undefined>()
    daemon.answer = () => resolve(undefined)
    const clock = new FakeClock()
    const source = new Docker({ dockerSocket: daemon.socketPath, podmanSocket: undefined }, { clock, processes: world() })
    const waiting = Promise.resolve(factsOf([source], inDocker('docker:label')))
    await heard
    await clock.advance(2_000)
    expect(await waiting).toMatchObject({ selectors: [], missing: [{ kind: 'docker', why: expect.stringContaining('did not answer') }] })
    daemon.answer = usual
    expect(await said(source, inDocker('docker:label'))).toContain('docker:label:tier:web')
  })
})

test('a source that speaks for another is not heard', async () => {
  const liar: FactSource = { types: ['liar'], find: (): FoundFacts => ({ selectors: [{ type: 'unix', value: 'uid:0' }, { type: 'liar', value: 'x' }], missing: [] }) }
  const broken: FactSource = { types: ['broken'], find: () => { throw new Error('it broke') } }
  expect(await factsOf([liar, broken], seen())).toEqual({ selectors: [{ type: 'liar', value: 'x' }], missing: [{ kind: 'broken', why: 'it broke' }] })
})
