import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { containerOf } from '../../../src/core/proc/container.ts'
import { systemdUnitOf } from '../../../src/core/proc/unit.ts'

const id = 'a1'.repeat(32)
const other = 'b2'.repeat(32)
const uid = '0f3c2a1e-5b6d-4c7e-8f90-123456789abc'
const slice = uid.replaceAll('-', '_')
const hash = '9'.repeat(32)

const shapes: readonly (readonly [name: string, path: string, runtime: string | undefined, podUid: string | undefined])[] = [
  ['docker, cgroupfs', `/docker/${id}`, 'docker', undefined],
  ['docker, systemd', `/system.slice/docker-${id}.scope`, 'docker', undefined],
  ['docker below a folder of its own', `/custom/docker/${id}`, 'docker', undefined],
  ['an init system in docker', `/docker/${id}/init.scope`, 'docker', undefined],
  ['podman, systemd', `/machine.slice/libpod-${id}.scope`, 'podman', undefined],
  ['podman with a cgroup below', `/machine.slice/libpod-${id}.scope/container`, 'podman', undefined],
  ['podman, cgroupfs', `/libpod_parent/libpod-${id}`, 'podman', undefined],
  ['podman in a pod of its own', `/machine.slice/machine-libpod_pod_${other}.slice/libpod-${id}.scope`, 'podman', undefined],
  ['nerdctl', `/system.slice/nerdctl-${id}.scope`, 'containerd', undefined],
  ['ECS', `/ecs/${hash}/${id}`, undefined, undefined],
  ['containerd by CRI, cgroupfs, burstable', `/kubepods/burstable/pod${uid}/${id}`, undefined, uid],
  ['containerd by CRI, cgroupfs, guaranteed', `/kubepods/pod${uid}/${id}`, undefined, uid],
  ['containerd by CRI, systemd, burstable', `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${slice}.slice/cri-containerd-${id}.scope`, 'containerd', uid],
  ['containerd by CRI, systemd, besteffort', `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${slice}.slice/cri-containerd-${id}.scope`, 'containerd', uid],
  ['containerd by CRI, systemd, guaranteed', `/kubepods.slice/kubepods-pod${slice}.slice/cri-containerd-${id}.scope`, 'containerd', uid],
  ['containerd by CRI with colons', `/system.slice/containerd.service/kubepods-besteffort-pod${slice}.slice:cri-containerd:${id}`, 'containerd', uid],
  ['CRI-O, systemd', `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${slice}.slice/crio-${id}.scope`, 'cri-o', uid],
  ['CRI-O, cgroupfs', `/kubepods/besteffort/pod${uid}/crio-${id}`, 'cri-o', uid],
  ['CRI-O with a cgroup below', `/kubepods.slice/kubepods-pod${slice}.slice/crio-${id}.scope/container`, 'cri-o', uid],
  ['docker under Kubernetes', `/kubepods.slice/kubepods-pod${slice}.slice/docker-${id}.scope`, 'docker', uid],
  ['a static pod', `/kubepods/burstable/pod${hash}/${id}`, undefined, hash],
  ['kind, inside its node', `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${slice}.slice/cri-containerd-${id}.scope`, 'containerd', uid],
  ['kind with cgroupfs, inside its node', `/kubelet/kubepods/besteffort/pod${uid}/${id}`, undefined, uid],
]

describe('the container of a cgroup', () => {
  test.each(shapes)('%s', (_, path, runtime, podUid) => {
    const cgroup = path.slice(0, path.indexOf(id) + id.length) + (path.slice(path.indexOf(id) + id.length).startsWith('.scope') ? '.scope' : '')
    expect(containerOf(path)).toEqual({ kind: 'container', container: { id, runtime, podUid, cgroup } })
  })

  test.each([
    '/',
    '/system.slice/payments.service',
    '/user.slice/user-1000.slice/session-3.scope',
    `/machine.slice/libpod-conmon-${id}.scope`,
    `/kubepods.slice/kubepods-pod${slice}.slice/crio-conmon-${id}.scope`,
    `/${id}`,
    `/builds/${id}`,
    `/docker/${id.slice(1)}`,
    `/docker/${id.toUpperCase()}`,
    `/docker/${id}x`,
    `/system.slice/docker-${id}.service`,
    `/system.slice/evil-docker-${id}.scope`,
    `/kubepods/burstable/pod${uid}`,
    `/kubepods/burstable/pod${uid}0/${id}`,
    `/ecs/${id}`,
  ])('%s is in none', (path) => {
    expect(containerOf(path)).toEqual({ kind: 'none' })
  })

  test.each([
    ['kind, from outside', `/docker/${other}/kubelet/kubepods/burstable/pod${uid}/${id}`],
    ['docker in docker', `/docker/${other}/docker/${id}`],
    ['a name made up in a container', `/system.slice/docker-${other}.scope/docker-${id}.scope`],
    ['the same name again', `/docker/${id}/docker/${id}`],
    ['a pod in a pod', `/kubepods/pod${uid}/kubepods/pod${hash}/${id}`],
    ["outside the agent's namespace", `/../docker/${id}`],
  ])('%s is ambiguous, and nothing is said', (_, path) => {
    expect(containerOf(path).kind).toBe('ambiguous')
  })

  test('no text makes it throw, and an id that is given is in the path', () => {
    const part = fc.oneof(fc.constantFrom('docker', 'kubepods', 'ecs', `pod${uid}`, id, other, `docker-${id}.scope`, `libpod-${other}.scope`, 'system.slice', '..', '', hash), fc.string({ maxLength: 70 }))
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const path = `/${parts.join('/')}`
        const found = containerOf(path)
        if (found.kind === 'container') expect(path.startsWith(found.container.cgroup) && path.includes(found.container.id)).toBe(true)
        systemdUnitOf(path)
      }),
    )
  })
})

describe('the unit of a cgroup', () => {
  test.each([
    ['/system.slice/payments.service', 'payments.service', '/system.slice'],
    ['/system.slice/payments.service/mayfly-g1', 'payments.service', '/system.slice'],
    ['/system.slice/system-getty.slice/getty@tty1.service', 'getty@tty1.service', '/system.slice/system-getty.slice'],
    ['/user.slice/user-1000.slice/user@1000.service/app.slice/payments.service', 'user@1000.service', '/user.slice/user-1000.slice'],
    ['/user.slice/user-1000.slice/session-3.scope', 'session-3.scope', '/user.slice/user-1000.slice'],
    ['/init.scope', 'init.scope', '/'],
    ['/system.slice/_cgroup.service', 'cgroup.service', '/system.slice'],
    [`/system.slice/docker-${id}.scope/system.slice/payments.service`, `docker-${id}.scope`, '/system.slice'],
  ])('%s is of %s', (path, unit, above) => {
    expect(systemdUnitOf(path)).toEqual({ unit, above })
  })

  test.each(['/', '/system.slice', `/docker/${id}`, '/kubepods/burstable', '/payments', '/system.slice/../payments.service', '/system.slice/a b.service', `/system.slice/${'a'.repeat(300)}.service`])('%s is of none', (path) => {
    expect(systemdUnitOf(path)).toBeUndefined()
  })
})
