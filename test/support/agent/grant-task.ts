/**
 * A task under test: obeys one JSON command a line on standard input and prints one a line on standard output, each with its pid. Argument: JSON of a first
 * command, or nothing. What it starts inherits its output. A socket that is left out is the one of its environment.
 */
import { X509Certificate } from 'node:crypto'
import { spawn } from 'node:child_process'
import { connect as connectHttp2 } from 'node:http2'
import type { Settings } from 'node:http2'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { MayflyError } from '../../../src/core/errors.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'

interface Command {
  readonly do: string
  readonly socket?: string
  readonly id?: string
  readonly pid?: number
  readonly binding?: string
  readonly action?: string
  readonly cause?: string
  readonly file?: string
  readonly args?: readonly string[]
  readonly spiffeId?: string
  readonly role?: string
  readonly name?: string
  readonly code?: number
}

const channels = new Map<string, RpcChannel>()
const script = import.meta.filename
const ownSocket = process.env['SPIFFE_ENDPOINT_SOCKET']?.replace('unix://', '') ?? ''

/** Whether it lives on when nobody commands it any more. */
let stays = false

const [first] = process.argv.slice(2)
say({ event: 'ready' })
if (first !== undefined) await obey(JSON.parse(first) as Command) // the test wrote it
for await (const line of createInterface({ input: process.stdin })) void obey(JSON.parse(line) as Command) // as above
if (first === undefined && !stays) process.exit(0)

async function obey(command: Command): Promise<void> {
  try {
    await act(command)
  } catch (error) {
    say({ event: 'failed', do: command.do, name: command.name ?? '', code: error instanceof MayflyError ? error.code : String(error), atMs: systemClock.nowMs() })
  }
}

async function act({ do: what, socket = ownSocket, id = '', pid = 0, binding = '', action = 'write', cause = 'completed', file = '', args = [], spiffeId = 'spiffe://test.example/job', role = '', name = '', code = 0 }: Command): Promise<void> {
  switch (what) {
    case 'run': {
      // as `mayfly run --do` does: ask, bind, follow
      for await (const { grant, socket: own } of channel(socket).serverStream('mayfly.v1.Grants', 'Request', { spiffeId, role, binding, intent: { actions: ['write', 'forbidden', 'confirmed'], resources: ['db:orders'], reason: 'test' } })) {
        say({ event: 'asked', id: grant?.id, state: grant?.state, socket: own })
        if (grant?.state === 'approved') void obey({ do: 'bind', socket, id: grant.id, pid })
      }
      return
    }
    case 'bind':
      for await (const { grant, socket: own } of channel(socket).serverStream('mayfly.v1.Grants', 'Bind', { grantId: id, pid })) {
        say({ event: 'bound', id: grant?.id, state: grant?.state, cause: grant?.cause, detail: grant?.detail, tier: grant?.tier, spiffeId: grant?.spiffeId, socket: own, atMs: systemClock.nowMs() })
      }
      return say({ event: 'unbound' })
    case 'svid':
      for await (const { svids } of channel(socket).serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})) {
        const [svid] = svids
        say({ event: 'svid', name, id: svid?.spiffeId, serial: svid === undefined ? '' : new X509Certificate(svid.x509Svid).serialNumber.toLowerCase(), chain: svid?.x509Svid.toString('base64'), key: svid?.x509SvidKey.toString('base64') })
      }
      return
    case 'stall':
      return fetchRaw(socket, { initialWindowSize: 0 }, name)
    case 'as java':
      return fetchRaw(socket, { maxConcurrentStreams: 0 }, name)
    case 'step': {
      const { allowed, reasons, stepsLeft } = await channel(socket).unary('mayfly.v1.Grants', 'Step', { action, resource: 'db:orders', description: 'one step' })
      return say({ event: 'step', name, allowed, reasons, stepsLeft })
    }
    case 'renew': {
      const { used } = await channel(socket).unary('mayfly.v1.Grants', 'Renew', { grantId: id })
      return say({ event: 'renewed', renewals: used?.renewals })
    }
    case 'end': {
      const grant = await channel(socket).unary('mayfly.v1.Grants', 'End', { grantId: id, cause, outcome: 'done' })
      return say({ event: 'ended', state: grant.state, cause: grant.cause })
    }
    case 'child':
      spawn(process.execPath, [script, JSON.stringify({ do: 'svid', socket, name: 'child' })], { stdio: ['pipe', 'inherit', 'inherit'] })
      return
    case 'session':
      spawn('setsid', [process.execPath, script, JSON.stringify({ do: 'svid', socket, name: 'session' })], { stdio: ['pipe', 'inherit', 'inherit'] })
      return
    case 'daemon':
      // the shell exits at once: the rest is taken in by another process
      spawn('sh', ['-c', 'setsid "$0" "$1" "$2" </dev/null &', process.execPath, script, JSON.stringify({ do: 'svid', socket, name: 'daemon' })], { stdio: ['ignore', 'inherit', 'inherit'] })
      return
    case 'exec':
      process.execve?.(file, [file, ...args], {})
      return
    case 'stay':
      stays = true
      return say({ event: 'stays' })
    case 'exit':
      say({ event: 'exits', atMs: systemClock.nowMs() })
      process.exit(code)
      break
    default:
      say({ event: 'unknown', do: what })
  }
}

/** Asks for the SVID over a connection with these settings: with a window of 0 not a byte of the answer leaves the agent, and without streams it is taken for one of Java's. */
function fetchRaw(socket: string, settings: Settings, name: string): void {
  const session = connectHttp2('http://localhost', { createConnection: () => connect(socket), settings })
  session.on('error', () => undefined)
  const request = session.request({ ':method': 'POST', ':path': '/SpiffeWorkloadAPI/FetchX509SVID', 'content-type': 'application/grpc', te: 'trailers', 'workload.spiffe.io': 'true' })
  request.on('error', () => undefined)
  request.on('response', () => say({ event: 'answered', name }))
  let count = 0
  request.on('data', (bytes: Buffer) => say({ event: 'bytes', name, count: (count += bytes.length) })) // in however many pieces
  request.end(Buffer.alloc(5))
}

function channel(socket: string): RpcChannel {
  const known = channels.get(socket) ?? RpcChannel.connectUnix(socket, { clock: systemClock, metadata: { 'workload.spiffe.io': 'true' } })
  channels.set(socket, known)
  return known
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify({ pid: process.pid, ...line })}\n`)
}
