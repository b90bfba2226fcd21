import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export interface FakeDaemon {
  readonly socketPath: string
  /** Paths that were asked for. */
  readonly asked: string[]
  /** What it answers: by default as Docker does, for the containers it was given. */
  answer: (request: IncomingMessage, response: ServerResponse) => void
}

/** A daemon with the part of Docker's API that is asked for, on a real Unix socket, in the shape of Docker's own answers. */
export async function fakeDaemon(containers: Readonly<Record<string, object>>): Promise<FakeDaemon> {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  const socketPath = join(folder, 'd.sock')
  const daemon: FakeDaemon = {
    socketPath,
    asked: [],
    answer: (request, response) => {
      const container = containers[/^\/containers\/([0-9a-f]{64})\/json$/.exec(request.url ?? '')?.[1] ?? '']
      response.writeHead(container === undefined ? 404 : 200, { 'content-type': 'application/json', 'api-version': '1.51', server: 'Docker/28.3.0 (linux)' })
      response.end(JSON.stringify(container ?? { message: 'No such container' }))
    },
  }
  const server = createServer((request, response) => {
    daemon.asked.push(request.url ?? '')
    daemon.answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true, force: true })
  })
  return daemon
}

/** As `GET /containers/<id>/json` shows one. */
export function dockerContainer(id: string, config: { readonly Labels?: Readonly<Record<string, string>> | null; readonly Env?: readonly string[] | null; readonly Image?: string }, image = `sha256:${'d'.repeat(64)}`): object {
  return {
    Id: id,
    Created: '2026-01-01T00:00:00.000000000Z',
    Path: '/bin/web',
    Args: [],
    State: { Status: 'running', Running: true, Pid: 4242, ExitCode: 0 },
    Image: image,
    Name: '/web',
    HostConfig: { NetworkMode: 'bridge', Privileged: false },
    Config: { Hostname: id.slice(0, 12), User: '', Cmd: ['web'], WorkingDir: '/', Labels: {}, Env: [], Image: '', ...config },
    NetworkSettings: { Networks: {} },
  }
}
