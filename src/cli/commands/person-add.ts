import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { usage } from '../arguments.ts'
import { connectServer } from '../connection.ts'
import { personLine, personToJson } from '../people.ts'
import { parseAuthorizedKey } from '../../ssh/public-key.ts'
import { readNamedFile } from '../read-file.ts'

export const command: Command = define({
  arguments: '<name>',
  positionals: [1, 1],
  about: 'Registers a person by their SSH public keys, or changes what is registered: who may approve, and for which owners they speak. Their private keys stay with them.',
  options: {
    'ssh-key': { type: 'string', multiple: true, value: 'FILE', help: 'a .pub file, or the line itself; may be given more than once' },
    owner: { type: 'string', multiple: true, value: 'NAME', help: 'an owner that the person speaks for, and whose requests they cannot approve' },
    requester: { type: 'string', multiple: true, value: 'uid:N', help: 'as whom the person asks for grants, on any node or, as "uid:N on AGENT-ID", on one: those requests they cannot approve' },
    role: { type: 'string', multiple: true, value: 'ROLE', help: 'approve (when none is given), read, register, revoke, policy, authority or root' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: ['mayfly person add alice --ssh-key ~/.ssh/id_ed25519.pub', 'mayfly person add bob --ssh-key "ssh-ed25519 AAAA… bob@laptop" --owner data-team', 'mayfly person add carol --ssh-key carol.pub --requester uid:1000'],
  async run({ options, positionals: [name = ''] }, context) {
    const { output, signal, cwd } = context
    const given = options['ssh-key']
    if (given.length === 0) throw usage('person add', '--ssh-key is missing')
    const sshKeys = (await Promise.all(given.map(async (key) => (/^[a-z0-9@.-]+ AAAA/.test(key) ? key : await readNamedFile(key, cwd))))).flatMap((text) => text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')))
    for (const line of sshKeys) parseAuthorizedKey(line) // what is no public key, as a private one given by mistake, does not leave this machine
    using server = await connectServer(options, context)
    const person = await server.unary('mayfly.v1.Approvals', 'AddPerson', { name, sshKeys, owners: [...options.owner], requesters: [...options.requester], roles: options.role.length === 0 ? ['approve'] : [...options.role] }, { signal })
    if (options.json) output.json(personToJson(person))
    else output.line(personLine(person))
  },
})
