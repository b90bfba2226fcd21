import type { RevokeResponse__Output as RevokeResponse } from '../../../proto/generated/mayfly/v1/RevokeResponse.ts'
import { exitCodes } from '../exit-code.ts'
import { count, exitCodeAfter, waitForReceipts, waitJson, waitLines } from '../verifiers.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer, endingTimeoutMs } from '../connection.ts'
import { resolveTarget, targetOption, targetOptions, targetText } from '../target.ts'
import { clockText } from '../when.ts'

export const command: Command = define({
  arguments: '[serial | id | entry | agent]',
  positionals: [0, 1],
  about: [
    'Ends what is live: peers refuse it within a second and open connections are cut. A serial ends one credential, and its',
    'workload gets a new one. An ID, entry, agent or owner is disabled as well, until mayfly enable; --rotate replaces instead.',
    'It says first what it hits; over ten credentials it wants --expect with their number. With --leaked, what was issued to a key is',
    'ended by a signature made here with that key, which does not leave this machine; --server needs no right at all for it.',
  ].join('\n'),
  options: {
    ...targetOptions,
    'dry-run': { type: 'boolean', short: 'n', help: 'only say what it would hit' },
    rotate: { type: 'boolean', help: 'replace instead of disabling' },
    expect: { type: 'string', value: 'N', help: 'do nothing unless exactly so many credentials are hit' },
    wait: { type: 'boolean', help: 'until every registered verifier has it, or its limit has passed; fails when one may still accept' },
    reason: { type: 'string', value: 'TEXT', help: 'goes into the record' },
    leaked: { type: 'string', value: 'KEY.PEM', help: 'end this private key and all that was issued to it, by a signature made here' },
    'deny-unknown': { type: 'boolean', help: 'with --leaked: deny the key although nothing was issued to it' },
    server: { type: 'string', value: 'HOST:PORT', help: "with --leaked: report over the server's TLS port, as anyone may" },
    'trust-bundle': { type: 'string', value: 'FILE', help: 'with --server: authorities (PEM) to know the server by; without, what it answers is not proven' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: [
    'mayfly revoke spiffe://example.org/web --reason "host was broken into"',
    'mayfly revoke --dry-run --owner data-team',
    'mayfly revoke /web --wait',
    'mayfly revoke --entry payments --rotate',
    'mayfly revoke --owner data-team --expect 120 --reason "team dissolved"',
    'mayfly revoke --leaked key.pem',
    'mayfly revoke --leaked key.pem --server mayfly.internal:8081 --trust-bundle bundle.pem',
  ],
  async run({ options, positionals: [argument] }, context) {
    const { output, signal } = context
    const expect = options.expect === undefined ? undefined : Number(options.expect)
    if (expect !== undefined && (!Number.isInteger(expect) || expect < 0)) throw usage('revoke', '--expect is not a number of credentials')
    if (options.leaked !== undefined) {
      if (argument !== undefined || targetNames.some((name) => options[name] !== undefined)) throw usage('revoke', '--leaked names all there is to end')
      for (const name of ['dry-run', 'rotate', 'expect'] as const) if (options[name] !== undefined && options[name] !== false) throw usage('revoke', `--${name} does not go with --leaked: a key that has leaked ends, whatever hangs on it; nothing was done`)
      const { revokeLeaked } = await import('../leaked.ts')
      return await revokeLeaked(options.leaked, options, context)
    }
    for (const name of ['server', 'trust-bundle', 'deny-unknown'] as const) if (options[name] !== undefined && options[name] !== false) throw usage('revoke', `--${name} goes with --leaked; nothing was done`)
    using server = await connectServer(options, context)
    const target = await resolveTarget(argument, options, server, signal)
    const request = { target, rotate: options.rotate, reason: options.reason ?? '', ...(expect === undefined ? {} : { expect: { value: expect } }) }
    const hits = await server.unary('mayfly.v1.Revocations', 'Revoke', { ...request, dryRun: true }, { signal })
    if (options['dry-run']) {
      if (options.json) output.json({ dryRun: true, ...hitsJson(hits) })
      else for (const line of hitLines(hits, 'would end')) output.line(line)
      return exitCodes.ok
    }
    if (!options.json) output.line(`${targetText(target)}: ${hitText(hits)}`)
    if (hits.credentials > 10 && expect === undefined) throw usage('revoke', `${hits.credentials} credentials are many; nothing was done`, `mayfly revoke ${targetOption(target)} --expect ${hits.credentials}`)
    const done = await server.unary('mayfly.v1.Revocations', 'Revoke', { ...request, dryRun: false }, { signal, timeoutMs: endingTimeoutMs })
    if (options.json) {
      const waited = options.wait ? await waitForReceipts(done, server, context) : undefined
      output.json({ ...hitsJson(done), disabled: done.disabled, committedAtMs: done.committedAtMs, epoch: done.epoch, streamSeq: done.streamSeq, ...(waited === undefined ? {} : { waited: waitJson(waited) }) })
      return exitCodeAfter(waited)
    }
    output.line(`revoked at ${clockText(done.committedAtMs)}, stream ${done.epoch}/${done.streamSeq}${done.disabled ? `, disabled until: mayfly enable ${targetOption(target)}` : ''}`)
    if (!options.wait) return exitCodes.ok
    const waited = await waitForReceipts(done, server, context)
    for (const line of waitLines(waited)) output.line(line)
    return exitCodeAfter(waited)
  },
})

const targetNames = ['serial', 'id', 'entry', 'agent', 'owner'] as const

function hitsJson(hits: RevokeResponse): Record<string, unknown> {
  return { credentials: hits.credentials, workloads: hits.workloads, owners: hits.owners, serials: hits.serials }
}

function hitText(hits: RevokeResponse): string {
  const owners = hits.owners.filter((owner) => owner !== '')
  return `${count(hits.credentials, 'credential')} of ${count(hits.workloads, 'workload')}${owners.length === 0 ? '' : `, owned by ${owners.slice(0, 5).join(', ')}${owners.length > 5 ? ', …' : ''}`}`
}

function hitLines(hits: RevokeResponse, verb: string): readonly string[] {
  return [`${verb} ${hitText(hits)}`, ...hits.serials.map((serial) => `  ${serial}`), ...(hits.credentials > hits.serials.length ? [`  and ${hits.credentials - hits.serials.length} more`] : [])]
}
