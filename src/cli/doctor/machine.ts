import { statSync } from 'node:fs'
import { release } from 'node:os'
import process from 'node:process'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** What this machine offers: Node, the kernel's answers about callers, cgroups. */
export async function machineFindings(): Promise<readonly Finding[]> {
  return [nodeFinding(process.versions.node), ...(await kernelFindings()), cgroupFinding()]
}

export function nodeFinding(version: string): Finding {
  const [major = 0] = version.split('.').map(Number)
  return major >= 24 ? ok('node', version) : fail('node', `${version}: server, agent and CLI need 24 or newer`, 'npm install --global node@24, or run mayfly with the Node of its package')
}

async function kernelFindings(): Promise<readonly Finding[]> {
  const kernel = `Linux ${release()}`
  try {
    const [{ selfTestPeerCredentials }, { Pidfd }] = await Promise.all([import('../../system/linux/peer-credentials.ts'), import('../../system/linux/pidfd.ts')])
    const { pidfd } = await selfTestPeerCredentials()
    using own = Pidfd.open(process.pid)
    return [
      pidfd ? ok('kernel.peer', `${kernel}: SO_PEERPIDFD, binding tier pidfd`) : warn('kernel.peer', `${kernel}: SO_PEERCRED only, binding tier pid`, 'Linux 6.5 or newer names the process that connected for ever; with an older one a pid that is given again is told by its start time'),
      own === undefined ? warn('kernel.pidfd', 'no pidfd_open: exits of processes are polled', 'Linux 5.3 or newer tells of an exit at once; look also at seccomp filters of the container') : ok('kernel.pidfd', 'exits of processes are told at once'),
    ]
  } catch (error) {
    return [fail('kernel.peer', error instanceof Error ? error.message : String(error), 'mayfly runs on Linux, x64 or arm64, and needs to read the credentials of Unix sockets')]
  }
}

function cgroupFinding(): Finding {
  try {
    statSync('/sys/fs/cgroup/cgroup.controllers')
    return ok('kernel.cgroup', 'cgroup v2')
  } catch {
    return warn('kernel.cgroup', 'no cgroup v2 at /sys/fs/cgroup: an identity cannot live with a cgroup', 'boot with systemd.unified_cgroup_hierarchy=1, or mount it into the container')
  }
}
