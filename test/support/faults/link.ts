import { execFileSync, spawnSync } from 'node:child_process'
import { isRoot } from '../processes/processes.ts'

/** Why there can be no network namespaces here; `undefined` when there can. */
export function noNamespaces(): string | undefined {
  if (!isRoot) return 'network namespaces need root'
  if (spawnSync('ip', ['-V']).error !== undefined || spawnSync('nsenter', ['-V']).error !== undefined) return 'ip and nsenter are not installed'
  const probe = `mf-${process.pid}-probe`
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (made.status !== 0) return `no network namespace can be made: ${made.stderr.trim()}`
  execFileSync('ip', ['netns', 'del', probe])
  return undefined
}

let links = 0

/** Two network namespaces with nothing but a cable between them, which can be cut: what is sent then gets lost, and nobody is told. */
export class Link implements Disposable {
  /** Address of the server's end. */
  readonly serverHost = '10.213.0.1'
  readonly #names: readonly [string, string]
  readonly #device: string

  constructor() {
    const tag = `mf${process.pid}x${links++}`
    this.#device = `v${tag}`.slice(0, 14)
    this.#names = [`${tag}s`, `${tag}a`]
    const [server, agent] = this.#names
    for (const name of this.#names) ip('netns', 'add', name)
    ip('-n', server, 'link', 'add', this.#device, 'type', 'veth', 'peer', 'name', this.#device, 'netns', agent)
    for (const [at, name] of this.#names.entries()) {
      ip('-n', name, 'link', 'set', 'lo', 'up')
      ip('-n', name, 'address', 'add', `10.213.0.${at + 1}/24`, 'dev', this.#device)
      ip('-n', name, 'link', 'set', this.#device, 'up')
    }
  }

  /** A command that runs the one after it at the server's end, or at the agent's. */
  under(end: 'server' | 'agent'): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#names[end === 'server' ? 0 : 1]}`]
  }

  cut(): void {
    ip('-n', this.#names[0], 'link', 'set', this.#device, 'down')
  }

  mend(): void {
    ip('-n', this.#names[0], 'link', 'set', this.#device, 'up')
  }

  [Symbol.dispose](): void {
    for (const name of this.#names) spawnSync('ip', ['netns', 'del', name])
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })
}
