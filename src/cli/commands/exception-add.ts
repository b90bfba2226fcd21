import { approvalNamespace, exceptionStatement } from '../../core/approval/statement.ts'
import { parseDurationMs } from '../../core/duration.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { readNamedFile } from '../read-file.ts'
import { sign, signerOf, signingOptions } from '../signing.ts'
import { timeText } from '../when.ts'

export const command: Command = define({
  about: ['Waives a control, or raises the longest life of a credential, for a while and by name. It has an owner, a reason, an approver', 'who signs it, and a review date: from then on it is absent, and stays listed until somebody removes it.'].join('\n'),
  options: {
    control: { type: 'string', value: 'NAME', help: 'the control that is waived, as denials name it, or max_ttl' },
    scope: { type: 'string', value: 'SCOPE', help: 'role:NAME, owner:NAME or a SPIFFE ID' },
    owner: { type: 'string', value: 'NAME', help: 'who answers for it' },
    reason: { type: 'string', value: 'TEXT', help: 'why' },
    review: { type: 'string', value: '30d', help: 'how long it runs' },
    value: { type: 'string', value: '2h', help: 'of max_ttl: the longest life' },
    ...signingOptions,
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly exception add --control ticket-in-production --scope role:deploy --owner platform --reason "ticket system is down" --review 2d --as alice'],
  async run({ options }, context) {
    const { output, signal, clock, cwd } = context
    for (const name of ['control', 'scope', 'owner', 'reason', 'review'] as const) if (options[name] === undefined) throw usage('exception add', `--${name} is missing`)
    using server = await connectServer(options, context)
    const { trustDomain } = await server.unary('mayfly.v1.Status', 'Get', {}, { signal })
    // to the minute, so that the words printed with --print are still those that are sent with --signature
    const reviewAtMs = Math.ceil((clock.nowMs() + parseDurationMs(options.review ?? '')) / 60_000) * 60_000
    const value = options.value === undefined ? 0 : parseDurationMs(options.value) / 1_000
    const exception = { control: options.control ?? '', scope: options.scope ?? '', owner: options.owner ?? '', reason: options.reason ?? '', reviewAtMs, value }
    const words = exceptionStatement(parseTrustDomain(trustDomain), exception)
    if (options.print) return output.raw(words)
    const approver = signerOf(options, context)
    const signature = options.signature === undefined ? await sign(words, approvalNamespace, options, context) : await readNamedFile(options.signature, cwd)
    const put = await server.unary('mayfly.v1.Policies', 'PutException', { ...exception, approver, signature }, { signal })
    if (options.json) output.json({ id: put.id, control: put.control, scope: put.scope, owner: put.owner, approver: put.approver, reviewAt: timeText(put.reviewAtMs) })
    else output.line(`${put.id}: ${put.control} is ${value === 0 ? 'waived' : `${value} s`} for ${put.scope} until ${timeText(put.reviewAtMs)}, approved by ${put.approver}`)
  },
})
