/** What two programs of mayfly may differ by: `docs/operations.md`, "Upgrading". */
export type Skew =
  | { readonly kind: 'supported' }
  /** Not written as `1.2.3`, as a foreign client's may be: nothing is said of it. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'too_old' | 'too_new' }

/** The oldest agents that this server speaks to, whatever its own version is. */
const oldestAgent: Version = { major: 0, minor: 1 }

interface Version {
  readonly major: number
  readonly minor: number
}

/** Whether an agent of one version may connect to a server of another: one minor version apart in either direction, and across a new major version its first minor one. */
export function skewOf(agentVersion: string, serverVersion: string): Skew {
  const [agent, server] = [parse(agentVersion), parse(serverVersion)]
  if (agent === undefined || server === undefined) return { kind: 'unknown' }
  if (isBefore(agent, oldestAgent)) return { kind: 'too_old' }
  const distance = agent.major - server.major
  if (distance === 0 ? agent.minor < server.minor - 1 : distance < -1 || (distance === -1 && server.minor > 0)) return { kind: 'too_old' }
  if (distance === 0 ? agent.minor > server.minor + 1 : distance > 1 || (distance === 1 && agent.minor > 0)) return { kind: 'too_new' }
  return { kind: 'supported' }
}

function isBefore(left: Version, right: Version): boolean {
  return left.major < right.major || (left.major === right.major && left.minor < right.minor)
}

/** Patches and what follows them change nothing of the wire. */
function parse(text: string): Version | undefined {
  const [, major, minor] = /^v?(\d{1,6})\.(\d{1,6})\.\d{1,6}(?:[-+].*)?$/.exec(text) ?? []
  return major === undefined || minor === undefined ? undefined : { major: Number(major), minor: Number(minor) }
}
