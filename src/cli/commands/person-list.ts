import { define, dataFolder, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import { fingerprintsOf, personToJson } from '../people.ts'

export const command: Command = define({
  about: 'Registered people: their keys, what they may do, and the owners they speak for.',
  options: { ...serverSocket, ...dataFolder },
  examples: ['mayfly person list', 'mayfly person list --json'],
  async run({ options }, context) {
    const { output, signal } = context
    using server = await connectServer(options, context)
    const { people } = await server.unary('mayfly.v1.Approvals', 'ListPeople', {}, { signal })
    if (options.json) for (const person of people) output.json(personToJson(person))
    else output.table(['NAME', 'ROLES', 'SPEAKS FOR', 'KEYS'], people.map((person) => [person.name, person.roles.join(', '), person.owners.join(', '), fingerprintsOf(person).join(' ')]))
  },
})
