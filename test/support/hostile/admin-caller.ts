// Asks a server's admin socket for its status as whoever runs this, and says what came: {"event":"answered","code"}.
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { codeOf } from './requests.ts'

const channel = RpcChannel.connectUnix(process.argv[2] ?? '', { clock: systemClock, unaryTimeoutMs: 5_000 })
const code = (await codeOf(channel.unary('mayfly.v1.Status', 'Get', {}))) ?? 'OK'
channel.close()
console.log(JSON.stringify({ event: 'answered', code }))
