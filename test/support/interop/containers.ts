import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { isRoot } from '../processes/processes.ts'
import { node24, Program, root } from '../product/process.ts'
import type { Surroundings } from '../product/product.ts'
import { worldReadable } from '../product/world-readable.ts'
import { debianFile } from './debian.ts'

/** Of the processes in the containers. */
export const containerUid = 4242

/** runc with a cgroup hierarchy of version 2, in a mount namespace of its own: what a container engine does, without one. */
export class Containers implements AsyncDisposable {
  readonly dir: string
  readonly #runc: string
  readonly #busybox: string
  readonly #namespace: ChildProcess
  readonly #above: string
  readonly #made = new Set<string>()
  readonly #started = new Set<string>()

  private constructor(runc: string, busybox: string, namespace: ChildProcess) {
    this.dir = mkdtempSync(join(tmpdir(), 'mf-'))
    chmodSync(this.dir, 0o755)
    this.#runc = runc
    this.#busybox = busybox
    this.#namespace = namespace
    this.#above = `mayfly-test-${process.pid}`
  }

  /** Why there can be none here, if so. */
  static missing(): string | undefined {
    if (!isRoot) return 'only root starts containers'
    for (const found of [debianFile('runc', 'usr/sbin/runc'), debianFile('busybox-static', 'bin/busybox')]) if ('missing' in found) return found.missing
    if (spawnSync(fileOf('runc', 'usr/sbin/runc'), ['--version']).status !== 0) return "Debian's runc does not run here"
    const tried = spawnSync('unshare', ['--mount', 'sh', '-c', mountCgroups], { encoding: 'utf8' })
    return tried.status === 0 ? undefined : `no cgroups of version 2: ${tried.stderr.trim()}`
  }

  static async open(): Promise<Containers> {
    const namespace = spawn('unshare', ['--mount', 'sh', '-c', `${mountCgroups} && echo ready && exec cat`], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(createInterface({ input: namespace.stdout }), 'line')
    return new Containers(fileOf('runc', 'usr/sbin/runc'), fileOf('busybox-static', 'bin/busybox'), namespace)
  }

  /** For programs that are to see the same cgroups. */
  get surroundings(): Surroundings {
    return { under: ['nsenter', ...this.#entering] }
  }

  /**
   * Starts a container with a program of the repository as its only process, in namespaces of its own, without a right.
   * @param cgroup its name below the cgroup of these containers
   * @param shared a folder of the host that is in it too
   */
  start(id: string, cgroup: string, shared: string, script: string, args: readonly string[] = []): Program {
    const bundle = join(this.dir, id)
    mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true })
    for (const name of ['busybox', 'sh']) copyFileSync(this.#busybox, join(bundle, 'rootfs/bin', name))
    this.#made.add(cgroup)
    this.#started.add(id)
    const repository = dirname(worldReadable(join(root, 'package.json')))
    const node = realpathSync(worldReadable(node24))
    const readOnly = ['/usr', '/lib', '/lib64', repository, realpathSync(join(repository, 'node_modules')), dirname(node)]
    const config = {
      ociVersion: '1.0.2',
      root: { path: 'rootfs', readonly: true },
      process: {
        terminal: false,
        user: { uid: containerUid, gid: containerUid },
        cwd: '/',
        env: ['PATH=/bin:/usr/bin', 'HOME=/'],
        args: ['/bin/busybox', 'sh', '-c', 'exec "$@"', 'job', node, join(repository, script), ...args],
        noNewPrivileges: true,
        capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
      },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        ...readOnly.map((path) => ({ destination: path, type: 'bind', source: path, options: ['rbind', 'ro'] })),
        { destination: shared, type: 'bind', source: shared, options: ['rbind'] },
      ],
      linux: { cgroupsPath: `/${this.#above}/${cgroup}`, namespaces: ['pid', 'mount', 'network', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })) },
    }
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
    return new Program('nsenter', [...this.#entering, ...this.#runcWith('run', '--bundle', bundle, id)])
  }

  /** What stops a container: its processes are killed, all of them. */
  kill(id: string): void {
    this.#enter(...this.#runcWith('kill', id, 'KILL'))
  }

  /** Moves the processes of one container to the cgroup of another. */
  move(from: string, to: string): void {
    this.#made.add(to)
    this.#enter('sh', '-c', 'mkdir -p "$2" && while read -r pid; do echo "$pid" > "$2/cgroup.procs"; done < "$1/cgroup.procs"', 'move', this.#pathOf(from), this.#pathOf(to))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#started) spawnSync('nsenter', [...this.#entering, ...this.#runcWith('delete', '--force', id)])
    for (const cgroup of [...this.#made, '']) spawnSync('nsenter', [...this.#entering, 'rmdir', this.#pathOf(cgroup)])
    const ended = once(this.#namespace, 'exit')
    this.#namespace.stdin?.end()
    await ended
    rmSync(this.dir, { recursive: true, force: true })
  }

  get #entering(): readonly string[] {
    return [`--mount=/proc/${this.#namespace.pid ?? 0}/ns/mnt`, '--']
  }

  #runcWith(...args: readonly string[]): readonly string[] {
    return [this.#runc, '--root', join(this.dir, 'state'), ...args]
  }

  #enter(...command: readonly string[]): void {
    const { status, stderr } = spawnSync('nsenter', [...this.#entering, ...command], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }

  #pathOf(cgroup: string): string {
    return join('/sys/fs/cgroup', this.#above, cgroup)
  }
}

/** Over what is there: the rest of the machine does not see it. */
const mountCgroups = 'mount -t cgroup2 none /sys/fs/cgroup'

function fileOf(name: string, file: string): string {
  const found = debianFile(name, file)
  if ('missing' in found) throw new Error(found.missing)
  return found.path
}
