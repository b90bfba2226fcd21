import { trustDomainId, trustDomainOf } from '../../core/spiffe-id.ts'
import { svidOf } from '../../verify/leaf.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { decodeCertificatesPem } from '../../x509/pem.ts'
import { define, dataFolder } from '../command.ts'
import type { Command } from '../command.ts'
import { connectWorkloadApi } from '../connection.ts'
import { classOf } from '../class-option.ts'
import { exitCodes } from '../exit-code.ts'
import { readNamedFile } from '../read-file.ts'
import { timeText, whenText } from '../when.ts'

export const command: Command = define({
  arguments: '<cert.pem>',
  positionals: [1, 1],
  about: [
    'What a verifier on this machine says of a certificate, and why: its chain under the bundle, its ID, its time, its revocation and how',
    'fresh that is known. Asks the agent, as any program may. Ends with 0 when it is accepted, else with 1.',
  ].join('\n'),
  options: {
    class: { type: 'string', value: 'CLASS', help: 'strict, standard or available: how old the revocation state may be; standard when unset' },
    allow: { type: 'string', multiple: true, value: 'ID', help: 'only this SPIFFE ID, or this trust domain; any of its own trust domain when unset' },
    socket: { type: 'string', value: 'PATH', help: 'the Workload API; $SPIFFE_ENDPOINT_SOCKET, else DATA/agent/workload.sock' },
    ...dataFolder,
  },
  examples: ['mayfly verify svid.pem', 'mayfly verify peer.pem --allow spiffe://example.org/web --class strict', 'mayfly verify svid.pem --json'],
  async run({ options, positionals: [file = ''] }, context) {
    const { output, signal, cwd, clock } = context
    const wanted = classOf('verify', options.class)
    const chain = decodeCertificatesPem(await readNamedFile(file, cwd))
    const allow = options.allow.length > 0 ? options.allow : [ownTrustDomain(chain)]
    using agent = await connectWorkloadApi(options, context)
    const answer = await agent.unary('mayfly.v1.Verifier', 'Check', { chain: chain.map((der) => Buffer.from(der)), class: wanted, allow: [...allow] }, { signal })
    const { accepted, verdict, reason, spiffeId, serial, authorityId, notAfterMs, stale, ageMs, epoch, seq } = answer
    if (options.json) {
      output.json({ accepted, verdict, ...(reason === '' ? {} : { reason }), spiffeId, serial, authorityId, notAfter: timeText(notAfterMs), class: answer.class, stale, ageMs, epoch, seq })
    } else {
      output.facts([
        ['verdict', accepted ? 'accepted' : `refused: ${verdict.replaceAll('_', ' ')}`],
        ['because', reason],
        ['id', spiffeId],
        ['serial', serial],
        ['authority', authorityId.slice(0, 16)],
        ['ends', notAfterMs === 0 ? '' : `${timeText(notAfterMs)}, ${whenText(notAfterMs, clock.nowMs())}`],
        ['revocations', accepted && answer.class === '' ? 'not checked: the agent is configured to ask nobody about this trust domain' : ageMs < 0 ? 'not known' : `known as of ${ageMs}ms ago, stream ${epoch}/${seq}; class ${answer.class}${stale ? ', stale' : ''}`],
      ])
    }
    return accepted ? exitCodes.ok : exitCodes.failed
  },
})

/** Of the leaf itself; what is no SVID gets its verdict all the same. */
function ownTrustDomain([leaf]: readonly Uint8Array[]): string {
  const svid = leaf === undefined ? undefined : svidOf(parseCertificate(leaf))
  return svid?.kind === 'svid' ? trustDomainId(trustDomainOf(svid.id)) : 'spiffe://unknown'
}
