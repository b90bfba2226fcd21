// A workload under test. First argument, JSON: { socket, uid?, gid?, groups?, connections? }. Becomes that user, connects, and says
// {"pid","connected"} on stdout; then obeys one JSON command a line on stdin and answers each with a line.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const options = JSON.parse(process.argv[2])
if (options.groups !== undefined) process.setgroups(options.groups)
if (options.gid !== undefined) process.setgid(options.gid)
if (options.uid !== undefined) process.setuid(options.uid)

const sockets = []
for (let at = 0; at < (options.connections ?? 1); at++) {
  const socket = connect(options.socket)
  await once(socket, 'connect')
  socket.on('error', () => {})
  sockets.push(socket)
}
say({ pid: process.pid, connected: sockets.length })

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  switch (command.do) {
    case 'setgid':
      process.setgid(command.gid)
      say({ gid: process.getgid() })
      break
    case 'setgroups':
      process.setgroups(command.groups)
      say({ groups: process.getgroups() })
      break
    case 'send':
      for (const socket of sockets) socket.write(command.text)
      say({ sent: command.text })
      break
    case 'bequeath': {
      // A child that inherits the connection, and outlives this process.
      const child = spawn(process.execPath, [new URL('heir.mjs', import.meta.url).pathname], { stdio: ['pipe', 'pipe', 'inherit', sockets[0]], detached: true })
      child.stdout.once('data', () => {
        say({ heir: child.pid })
        if (command.exit) setImmediate(() => process.exit(0))
      })
      break
    }
    case 'exec':
      process.execve(command.file, [command.file, ...command.args], {})
      break
    default:
      say({ unknown: command.do })
  }
}
process.exit(0)

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
