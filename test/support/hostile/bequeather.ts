// Connects to a socket, lets a child inherit the connection, and stays until it is killed. Says {"event":"bequeathed","pid","heir"}.
// The child outlives it and writes to the same standard output.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

const socket = connect(process.argv[2] ?? '')
socket.pause() // what comes is for the child to read
await once(socket, 'connect')
const heir = spawn(process.execPath, [new URL('heir.ts', import.meta.url).pathname], { stdio: ['ignore', 'inherit', 'inherit', socket], detached: true })
await once(heir, 'spawn')
console.log(JSON.stringify({ event: 'bequeathed', pid: process.pid, heir: heir.pid }))
setInterval(() => undefined, 60_000)
