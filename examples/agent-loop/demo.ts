// Plays the whole story: server, node agent, orders service, AI agent, the person who approves and the operator who ends. Everything is taken down at the end.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const here = import.meta.dirname
const cli = join(here, '../../src/cli/main.ts')
const folder = await mkdtemp(join(tmpdir(), 'mf-'))
const env = { ...process.env, MAYFLY_DATA: join(folder, 'data'), SPIFFE_ENDPOINT_SOCKET: `unix://${join(folder, 'data/agent/workload.sock')}` }
const running: ChildProcess[] = []

try {
  await story()
} finally {
  for (const child of running.toReversed()) await stop(child)
  await rm(folder, { recursive: true, force: true })
}

async function story(): Promise<void> {
  tell('a server and a node agent start')
  const dev = start([cli, 'dev', '--json'])
  await dev.find(({ event }) => event === 'serving')

  const role = join(folder, 'role.yaml')
  await writeFile(role, (await readFile(join(here, 'role.yaml'), 'utf8')).replace('UID', String(userInfo().uid)))
  const key = join(folder, 'alice')
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'alice', '-f', key])
  await mayfly('owner', 'add', 'shop-team', '--contact', 'shop@example.org')
  await mayfly('person', 'add', 'alice', '--ssh-key', `${key}.pub`)
  await mayfly('role', 'create', '--file', role)
  await mayfly('entry', 'create', '--id', '/orders-service', '-s', `unix:uid:${userInfo().uid}`)
  const service = start([join(here, 'orders-service.ts'), 'spiffe://example.org/tidy-agent'])
  const { port, as } = await service.find(({ event }) => event === 'listening')

  tell('the AI agent is to remove duplicate orders')
  const first = start([join(here, 'agent.ts'), String(port), String(as), 'remove duplicates'], show)
  for (let waiting = 0; waiting < 2; waiting++) {
    const { step } = await first.find(({ event }) => event === 'waits for a person')
    tell('alice reads what it wants, and signs')
    await mayfly('approve', String(step), '--as', 'alice', '--key', key)
  }
  await first.ended

  tell('a second task watches for ever, until an operator ends it')
  const second = start([join(here, 'agent.ts'), String(port), String(as), 'watch for ever'], show)
  const { grant } = await second.find(({ event }) => event === 'granted')
  await second.find(({ event }) => event === 'did')
  await mayfly('end', String(grant), '--reason', 'wrong customer')
  await second.ended

  tell('what is on record')
  process.stdout.write(await mayfly('grant', 'list', '--all'))
}

interface Fact {
  readonly event: string
  readonly [name: string]: unknown
}

interface Started {
  readonly ended: Promise<unknown>
  /** The next fact that fits, in the order they come. */
  find(fits: (fact: Fact) => boolean): Promise<Fact>
}

/** Starts a program that prints one JSON object a line. */
function start(args: readonly string[], each: (fact: Fact) => void = () => undefined): Started {
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  running.push(child)
  const ended = once(child, 'exit')
  const facts: Fact[] = []
  let wake: () => void = () => undefined
  let over = false
  createInterface(child.stdout).on('line', (line) => {
    const fact = parse(line)
    if (fact === undefined) return
    each(fact)
    facts.push(fact)
    wake()
  })
  child.once('exit', () => {
    over = true
    wake()
  })
  const find: Started['find'] = async (fits) => {
    for (;;) {
      for (let fact = facts.shift(); fact !== undefined; fact = facts.shift()) if (fits(fact)) return fact
      if (over) throw new Error(`${args.at(0) ?? ''} ended before what was waited for`)
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  return { ended, find }
}

function parse(line: string): Fact | undefined {
  try {
    return JSON.parse(line) as Fact // what these programs print
  } catch {
    return undefined
  }
}

async function mayfly(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], { env })
  return stdout
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

function show({ event, ...facts }: Fact): void {
  process.stdout.write(`    ${event.padEnd(20)} ${JSON.stringify(facts)}\n`)
}

function tell(text: string): void {
  process.stdout.write(`\n${text}\n`)
}
