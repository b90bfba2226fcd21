/** A container as its runtime named its cgroup. */
export interface ContainerPlace {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** `docker`, `podman`, `containerd`, `cri-o`; `undefined` where the path does not say. */
  readonly runtime: string | undefined
  /** Of the Kubernetes pod it belongs to, as the API writes it; of a static pod, 32 hexadecimal digits. */
  readonly podUid: string | undefined
  /** The cgroup that the runtime made for it: the process may be in one below. */
  readonly cgroup: string
}

export type ContainerFinding =
  | { readonly kind: 'container'; readonly container: ContainerPlace }
  | { readonly kind: 'none' }
  /** A container in a container, or a pod in a pod: what the inner names say, the outer container may have made up. */
  | { readonly kind: 'ambiguous'; readonly why: string }

const runtimes: Readonly<Record<string, string>> = { docker: 'docker', libpod: 'podman', 'cri-containerd': 'containerd', nerdctl: 'containerd', crio: 'cri-o' }
/** `docker-<id>.scope` of a systemd driver, `libpod-<id>` and `crio-<id>` of the others. Helpers such as `libpod-conmon-<id>.scope` are none. */
const named = /^(docker|libpod|cri-containerd|nerdctl|crio)-([0-9a-f]{64})(?:\.scope)?$/
/** Of containerd where its shim was started by a unit: `kubepods-…-pod<uid>.slice:cri-containerd:<id>`. */
const colons = /^[^/:]*?pod([0-9a-f_-]{32,36})(?:\.slice)?:(cri-containerd):([0-9a-f]{64})$/
const bare = /^[0-9a-f]{64}$/
/** Folders below which a runtime makes cgroups that are called by the id alone. */
const bareParents = /^(?:docker|[0-9a-f]{32})$/
const podSlice = /^(?:[a-z0-9.]+-)*kubepods(?:-(?:burstable|besteffort))?-pod([0-9a-f_]{32,36})\.slice$/
const podFolder = /^pod([0-9a-f-]{32,36})$/

/**
 * The container that the cgroup at this path belongs to, by the names that Docker, Podman, containerd (by itself, by CRI, by nerdctl) and CRI-O give, with the cgroupfs and the systemd
 * driver, in Kubernetes' pods of every class and outside. The names are worth what the folders above are: whoever may make folders there may make up names.
 */
export function containerOf(path: string): ContainerFinding {
  const [root, ...segments] = path.split('/')
  if (root !== '') return { kind: 'none' }
  if (segments.includes('..')) return { kind: 'ambiguous', why: "its cgroup lies outside the agent's own cgroup namespace" }
  const containers: (Omit<ContainerPlace, 'podUid'> & { readonly pod?: string })[] = []
  const pods: string[] = []
  for (const [at, segment] of segments.entries()) {
    const pod = podOf(segment)
    if (pod !== undefined) pods.push(pod)
    const found = nameIn(segment, segments, at, pods.length > 0)
    if (found !== undefined) containers.push({ ...found, cgroup: `/${segments.slice(0, at + 1).join('/')}` })
  }
  const [container, ...others] = containers
  const [podUid, ...otherPods] = pods
  if (container === undefined) return { kind: 'none' }
  if (others.length > 0) return { kind: 'ambiguous', why: 'its cgroup is that of a container in a container' }
  if (otherPods.length > 0) return { kind: 'ambiguous', why: 'its cgroup is in more than one pod' }
  return { kind: 'container', container: { ...container, podUid } }
}

function nameIn(segment: string, segments: readonly string[], at: number, inPod: boolean): { readonly id: string; readonly runtime: string | undefined } | undefined {
  const [, prefix, id] = named.exec(segment) ?? []
  if (prefix !== undefined && id !== undefined) return { id, runtime: runtimes[prefix] }
  const [, , shim, shimId] = colons.exec(segment) ?? []
  if (shim !== undefined && shimId !== undefined) return { id: shimId, runtime: runtimes[shim] }
  if (!bare.test(segment)) return undefined
  const parent = segments[at - 1] ?? ''
  if (parent === 'docker') return { id: segment, runtime: 'docker' }
  const isTask = bareParents.test(parent) && segments[at - 2] === 'ecs'
  return isTask || (inPod && podOf(parent) !== undefined) ? { id: segment, runtime: undefined } : undefined
}

/** The UID as Kubernetes writes it, or the hash of a static pod. */
function podOf(segment: string): string | undefined {
  const uid = (podSlice.exec(segment) ?? podFolder.exec(segment) ?? colons.exec(segment))?.[1]?.replaceAll('_', '-')
  return uid !== undefined && /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(uid) ? uid : undefined
}
