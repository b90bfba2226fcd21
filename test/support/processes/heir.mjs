// Holds an inherited connection as descriptor 3 and speaks on it every 20 ms, until killed.
import { Socket } from 'node:net'

const socket = new Socket({ fd: 3 })
socket.on('error', () => {})
process.stdin.on('error', () => {})
process.stdout.on('error', () => {})
process.stdout.write('ready\n')
setInterval(() => socket.write('heir\n'), 20)
