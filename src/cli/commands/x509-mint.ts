import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'

import { toHex } from '../../core/bytes.ts'
import { MayflyError } from '../../core/errors.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../x509/pem.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { usage } from '../arguments.ts'
import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { ttlSeconds } from '../entries.ts'
import { typedId } from '../ids.ts'
import { timeText, whenText } from '../when.ts'
import { svidPaths, writeSvid } from '../write-svid.ts'

export const command: Command = define({
  about: 'Makes a key here and has the server sign an X.509-SVID for it, without entry and without agent: for bootstrap and tests.\nNobody rotates it. It is in the ledger and can be revoked.',
  options: {
    id: { type: 'string', value: 'ID', help: 'SPIFFE ID; a path such as /web is of the trust domain' },
    ttl: { type: 'string', value: '15m', help: "how long it lives; the server's default when unset" },
    'dns-name': { type: 'string', multiple: true, value: 'NAME', help: 'a DNS name in the SVID' },
    write: { type: 'string', value: 'DIR', help: 'write svid.pem, key.pem (mode 0600) and bundle.pem there instead of printing them' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly x509 mint --id /bootstrap --ttl 5m --write /tmp/bootstrap', 'mayfly x509 mint --id /test --json'],
  async run({ options }, context) {
    const { output, signal, clock } = context
    if (options.id === undefined) throw usage('x509 mint', '--id is missing')
    using server = await connectServer(options, context)
    const spiffeId = await typedId(options.id, server, signal)
    const key = PrivateKey.generate()
    const csr = buildCsr(key, { uris: [spiffeId], dns: options['dns-name'] })
    const { svid } = await server.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(csr), ttl: ttlSeconds(options.ttl) }, { signal })
    const bundle = await server.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}, { signal })
    const chain = svid?.certChain ?? []
    const [first] = chain
    if (first === undefined) throw new MayflyError('INTERNAL', 'the server answered without a certificate')
    const leaf = parseCertificate(first)
    const pem = { svid: encodeCertificatesPem(chain), key: key.toPem(), bundle: encodeCertificatesPem(bundle.x509Authorities.map((authority) => authority.asn1)) }
    const facts = { spiffeId, serial: toHex(leaf.serial), notAfter: timeText(leaf.notAfterMs) }
    if (options.write !== undefined) {
      const folder = resolve(context.cwd, options.write)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const paths = svidPaths(folder)
      await writeSvid(paths, pem)
      if (options.json) output.json({ ...facts, paths })
      else output.line(`${spiffeId}  ${facts.serial}  ends ${whenText(leaf.notAfterMs, clock.nowMs())}; written to ${folder}`)
      return
    }
    if (options.json) output.json({ ...facts, ...pem })
    else output.raw(pem.svid + pem.key + pem.bundle)
  },
})
