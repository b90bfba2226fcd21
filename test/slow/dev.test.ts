import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { node24, Program, root } from '../support/product/process.ts'

const cli = join(root, 'src/cli/main.ts')

function mayfly(data: string, ...args: readonly string[]): string {
  return execFileSync(node24, [cli, ...args], { encoding: 'utf8', env: { ...process.env, MAYFLY_DATA: data } })
}

/** What `mayfly status --json` says of the agent and its server. */
function isConnected(status: string): boolean {
  const { agent } = JSON.parse(status) as { readonly agent: { readonly connected: boolean } | null } // as it prints them
  return agent?.connected === true
}

/** Processes whose command line names this folder. */
function processesOf(folder: string): readonly string[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(folder) && !line.includes('ps -eo'))
}

test('the tour shows every step with measured times, ends by itself and leaves nothing running', async () => {
  await using tour = new Program(node24, [cli, 'dev', '--tour', '--json'])
  expect(await tour.ended(), tour.errors).toBe(0)
  const steps = new Set(tour.lines.map((line) => line['step']))
  expect([...steps]).toEqual(['serve', 'register', 'identities', 'mTLS', 'stranger', 'rotation', 'revoke', 'end'])
  const timeline = tour.lines.find((line) => line['timeline'] !== undefined)?.['timeline'] as readonly { readonly what: string; readonly atMs: number }[] // the tour's own shape
  expect(new Set(timeline.map(({ what }) => what))).toEqual(new Set(['revoke', 'committed', 'refused by the peer', 'connection cut', 'seen by web', 're-issue refused']))
  expect(timeline.map(({ atMs }) => atMs)).toEqual(timeline.map(({ atMs }) => atMs).toSorted((left, right) => left - right))
  expect(processesOf('mayfly-tour-')).toEqual([])
})

test('every attack is refused, with the code and the control that caught it', async () => {
  await using attack = new Program(node24, [cli, 'dev', '--attack', '--json'])
  expect(await attack.ended(), attack.errors).toBe(0)
  expect(attack.lines.filter((line) => line['refused'] !== true)).toEqual([])
  expect(attack.lines.length).toBeGreaterThanOrEqual(10)
  expect(processesOf('mayfly-attack-')).toEqual([])
})

describe('mayfly dev', () => {
  let data: string
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'mf-dev-'))
  })
  afterEach(() => rmSync(data, { recursive: true, force: true }))

  test('finds what it made the time before: authority, agent and entries', async () => {
    const agents: string[] = []
    for (const round of [1, 2]) {
      await using dev = new Program(node24, [cli, 'dev', '--json', '--data', data])
      await dev.event('serving')
      agents.push(mayfly(data, 'agent', 'list', '--json'))
      if (round === 1) mayfly(data, 'entry', 'create', '--id', '/kept', '-s', `unix:uid:${process.getuid?.() ?? 0}`)
      expect(mayfly(data, 'run', '--as', '/kept', '--', 'echo', 'kept')).toBe('kept\n')
      expect(await dev.kill('SIGTERM')).toBe(0)
    }
    const idsOf = (text: string | undefined): readonly unknown[] => (text ?? '').trim().split('\n').map((line) => (JSON.parse(line) as { readonly id: string }).id) // as `agent list --json` prints
    expect(idsOf(agents[1])).toEqual(idsOf(agents[0]))
    expect(processesOf(data)).toEqual([])
  })

  test('takes its server and agent along when it is killed itself', async () => {
    await using dev = new Program(node24, [cli, 'dev', '--json', '--data', data])
    await dev.event('serving')
    expect(processesOf(data).length).toBeGreaterThanOrEqual(3)
    await dev.kill('SIGKILL')
    await expect.poll(() => processesOf(data), { interval: 50 }).toEqual([])
  })

  test.each(['server', 'agent'])('starts the %s again when it was killed, and its workloads are served again', async (name) => {
    await using dev = new Program(node24, [cli, 'dev', '--json', '--data', data])
    const serving = await dev.event('serving')
    mayfly(data, 'entry', 'create', '--id', '/again', '-s', `unix:uid:${process.getuid?.() ?? 0}`)
    process.kill(Number(serving[`${name}Pid`]), 'SIGKILL')
    await expect.poll(() => dev.errors, { interval: 100 }).toContain(`the ${name} serves again`)
    await expect.poll(() => isConnected(mayfly(data, 'status', '--json')), { interval: 100 }).toBe(true) // the agent comes back to its server in its own time
    expect(mayfly(data, 'run', '--as', '/again', '--', 'echo', 'again')).toBe('again\n')
    expect(await dev.kill('SIGINT')).toBe(0)
    expect(processesOf(data)).toEqual([])
  })

  test('keeps join lines, which are secrets, out of arguments and out of its folder', async () => {
    await using dev = new Program(node24, [cli, 'dev', '--json', '--data', data])
    await dev.event('serving')
    expect(processesOf(data).filter((line) => line.includes('mayfly-join'))).toEqual([])
    expect(spawnSync('grep', ['-rl', 'mayfly-join:v1:', data], { encoding: 'utf8' }).stdout).toBe('')
  })

  test('says in two lines what another mayfly dev in the same folder means', async () => {
    await using dev = new Program(node24, [cli, 'dev', '--json', '--data', data])
    await dev.event('serving')
    await using second = new Program(node24, [cli, 'dev', '--data', data])
    expect(await second.ended()).not.toBe(0)
    expect(second.errors.trimEnd().split('\n')).toHaveLength(2)
    expect(readFileSync(join(data, 'dev.json'), 'utf8')).toContain('example.org')
  })
})

test('mayfly run keeps its files rotated while the program runs', async () => {
  const data = mkdtempSync(join(tmpdir(), 'mf-run-'))
  try {
    await using dev = new Program(node24, [cli, 'dev', '--json', '--data', data, '--x509-svid-ttl', '4s'])
    await dev.event('serving')
    mayfly(data, 'entry', 'create', '--id', '/rotating', '-s', `unix:uid:${process.getuid?.() ?? 0}`)
    const script = 'for i in $(seq 50); do openssl x509 -in "$MAYFLY_SVID_FILE" -noout -serial; openssl x509 -in "$MAYFLY_SVID_FILE" -noout -pubkey > "$MAYFLY_SVID_FILE.pub"; openssl pkey -in "$MAYFLY_KEY_FILE" -pubout | cmp -s - "$MAYFLY_SVID_FILE.pub" && echo fits; sleep 0.1; done'
    const printed = mayfly(data, 'run', '--as', '/rotating', '--', 'sh', '-c', script)
    const serials = new Set(printed.match(/serial=\w+/g))
    expect(serials.size).toBeGreaterThanOrEqual(3)
    expect((printed.match(/fits/g) ?? []).length).toBeGreaterThan(25) // not where a rotation comes between the two looks, and the slower they are the more do
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
})
