import type { Entry__Output as MayflyEntry } from '../../../proto/generated/mayfly/v1/Entry.ts'
import { MayflyError } from '../../core/errors.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { usage } from '../arguments.ts'
import { federatedBundles } from '../bundles.ts'
import { dataFolder, define, serverSocket } from '../command.ts'
import type { Command } from '../command.ts'
import { connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { ttlSeconds } from '../entries.ts'
import { exitCodes } from '../exit-code.ts'
import { idFromWire } from '../ids.ts'
import { applyBundles, planBundles } from '../spire-import/bundles.ts'
import { applyPlan, checkedByServer, movesOf } from '../spire-import/checked.ts'
import { connectSpireSocket, connectSpireTls } from '../spire-import/connect.ts'
import { planImport } from '../spire-import/plan.ts'
import { agentsOf, bundlesOf, entriesOf, readBounded } from '../spire-import/read-json.ts'
import { readSpireServer } from '../spire-import/read-server.ts'
import type { SpireRegistry } from '../spire-import/registry.ts'
import { planJson, printPlan } from '../spire-import/report.ts'
import { OwnerMap, parentRule, readTextMap } from '../spire-import/rules.ts'

/** As many move without being counted first. */
const uncounted = 10

export const command: Command = define({
  about: [
    "Reads the entries and agents of a SPIRE server, over its API or from what its command line prints, and says what would move to this mayfly server, what nobody uses,",
    'what has no owner, and what mayfly refuses and why. Nothing is changed, here or there, without --apply; then only entries that are not there yet are made, with their own IDs.',
    'Run again it makes what is missing. Over ten entries it wants --expect with their number.',
  ].join('\n'),
  options: {
    'spire-socket': { type: 'string', value: 'PATH', help: "SPIRE's admin socket, such as /tmp/spire-server/private/api.sock: only read" },
    'spire-address': { type: 'string', value: 'HOST:PORT', help: "instead: SPIRE's TLS port, with --svid" },
    svid: { type: 'string', value: 'DIR', help: "an admin entry's svid.0.pem, svid.0.key and bundle.0.pem, as spire-agent api fetch x509 -write leaves them" },
    entries: { type: 'string', value: 'FILE', help: 'instead: what spire-server entry show -output json printed, or - for stdin' },
    agents: { type: 'string', value: 'FILE', help: 'with --entries: what spire-server agent list -output json printed; without it nothing is known of what is in use' },
    bundles: { type: 'string', value: 'FILE', help: 'with --entries: what spire-server bundle list -output json printed, for entries that federate with other trust domains' },
    owner: { type: 'string', value: 'NAME', help: 'who answers for entries that --owner-map says nothing of' },
    'owner-map': { type: 'string', value: 'FILE', help: 'JSON or YAML: /web or /payments/* to the name of an owner; the longest match counts' },
    'map-parent': { type: 'string', multiple: true, value: 'OLD=NEW', help: 'what is below OLD at SPIRE is below NEW here' },
    'parent-map': { type: 'string', value: 'FILE', help: 'the same of many, JSON or YAML' },
    'cap-ttl': { type: 'string', value: '1h', help: 'longer lives become this' },
    all: { type: 'boolean', help: 'move also what nobody uses and what no attestor here serves' },
    apply: { type: 'boolean', help: 'make the entries; without it nothing is changed' },
    'dry-run': { type: 'boolean', short: 'n', help: 'only say what would be done: the default' },
    expect: { type: 'string', value: 'N', help: 'with --apply: do nothing unless exactly so many entries move' },
    ...serverSocket,
    ...dataFolder,
  },
  examples: [
    'mayfly import spire --spire-socket /tmp/spire-server/private/api.sock',
    'mayfly import spire --spire-address spire.internal:8081 --svid /run/spire-admin',
    'mayfly import spire --entries entries.json --agents agents.json --owner-map owners.yaml --json',
    'mayfly import spire --spire-socket /run/spire/api.sock --map-parent spiffe://example.org/spire/agent/join_token/a=spiffe://example.org/spire/agent/join_token/b --owner platform',
    'mayfly import spire --spire-socket /run/spire/api.sock --owner platform --apply --expect 240',
  ],
  async run({ options }, context) {
    const { output, signal, clock, cwd } = context
    if (options.apply && options['dry-run']) throw usage('import spire', '--apply and --dry-run exclude each other')
    const expect = options.expect === undefined ? undefined : Number(options.expect)
    if (expect !== undefined && (!Number.isInteger(expect) || expect < 0)) throw usage('import spire', '--expect is not a number of entries')
    const owners = new OwnerMap(await readTextMap(options['owner-map'], cwd, process.stdin), options.owner ?? '')
    const parents = new Map([...(await readTextMap(options['parent-map'], cwd, process.stdin))].map(([from, to]) => parentRule(`${from}=${to}`)).concat(options['map-parent'].map(parentRule)))
    using server = await connectServer(options, context)
    const { trustDomain } = await server.unary('mayfly.v1.Status', 'Get', {}, { signal })
    const registry = await registryOf(options, trustDomain, context)
    const existingBundles = await federatedBundles(server, signal)
    const bundles = planBundles(registry.bundles ?? [], existingBundles)
    const terms = {
      trustDomain,
      nowSeconds: Math.floor(clock.nowMs() / 1_000),
      owners,
      parents,
      capTtlSeconds: options['cap-ttl'] === undefined ? undefined : ttlSeconds(options['cap-ttl']),
      all: options.all,
      bundles: new Set([...existingBundles.map((bundle): string => bundle.trustDomain), ...bundles.flatMap(({ trustDomain: name, fate }) => (fate === 'moves' ? [name] : []))]),
      existing: await entriesAt(server, signal),
      agentIds: await agentIdsAt(server, signal),
    }
    const plan = await checkedByServer(planImport(registry, terms), server, context)
    const moves = movesOf(plan).length
    if (!options.apply) {
      if (options.json) output.json({ dryRun: true, trustDomain, ...planJson(registry, plan, bundles) })
      else {
        printPlan(output, registry, plan, bundles, trustDomain)
        const comes = bundles.filter(({ fate }) => fate === 'moves').length
        output.note(moves + comes === 0 ? 'nothing is to be done' : `nothing was changed: give --apply${moves > uncounted ? ` --expect ${moves}` : ''} to make ${moves === 1 ? 'that entry' : `those ${moves}`}${comes === 0 ? '' : ` and set ${comes === 1 ? 'that bundle' : `those ${comes} bundles`}`}`)
      }
      return exitCodes.ok
    }
    if (expect === undefined ? moves > uncounted : moves !== expect) {
      throw new MayflyError('EXPECTATION_FAILED', `${moves} entries would move${expect === undefined ? '' : `, not ${expect}`}; nothing was done`, { hint: `look at them without --apply, then give --expect ${moves}` })
    }
    const set = await applyBundles(bundles, server, signal)
    const applied = await applyPlan(plan, server, context)
    if (options.json) output.json({ dryRun: false, trustDomain, applied, bundlesSet: set.created, bundlesFailed: set.failed, ...planJson(registry, plan, bundles) })
    else {
      if (set.created > 0) output.line(`set ${set.created} ${set.created === 1 ? 'bundle' : 'bundles'} of other trust domains`)
      for (const { trustDomain: name, text } of set.failed) output.note(`mayfly: bundle of ${name}: ${text}`)
      output.line(`created ${applied.created} of ${moves}${applied.there === 0 ? '' : `; ${applied.there} were there by then`}`)
      for (const { id, text } of applied.failed.slice(0, 20)) output.note(`mayfly: entry ${id}: ${text}`)
      if (applied.failed.length > 20) output.note(`mayfly: and ${applied.failed.length - 20} more`)
    }
    return applied.failed.length + set.failed.length === 0 ? exitCodes.ok : exitCodes.failed
  },
})

interface Source {
  readonly 'spire-socket'?: string | undefined
  readonly 'spire-address'?: string | undefined
  readonly svid?: string | undefined
  readonly entries?: string | undefined
  readonly agents?: string | undefined
  readonly bundles?: string | undefined
}

/** @throws {MayflyError} USAGE, UNAVAILABLE, PRECONDITION_FAILED for another trust domain, INVALID_ARGUMENT */
async function registryOf(source: Source, trustDomain: string, context: Context): Promise<SpireRegistry> {
  const { cwd, signal } = context
  const { 'spire-socket': socket, 'spire-address': address, svid, entries, agents, bundles } = source
  if ([socket, address, entries].filter((one) => one !== undefined).length !== 1) throw usage('import spire', 'one of --spire-socket, --spire-address and --entries must be given')
  if ((address === undefined) !== (svid === undefined)) throw usage('import spire', '--spire-address and --svid go together')
  if (entries !== undefined) {
    if ([entries, agents, bundles].filter((one) => one === '-').length > 1) throw usage('import spire', 'only one of --entries, --agents and --bundles can be stdin')
    const read = async (path: string): Promise<string> => await readBounded(path, cwd, process.stdin)
    return { entries: entriesOf(await read(entries), entries), agents: agents === undefined ? undefined : agentsOf(await read(agents), agents), bundles: bundles === undefined ? undefined : bundlesOf(await read(bundles), bundles) }
  }
  if (agents !== undefined || bundles !== undefined) throw usage('import spire', `${agents === undefined ? '--bundles' : '--agents'} belongs to --entries: a server is asked for all`)
  using spire = address === undefined ? connectSpireSocket(socket ?? '', context) : await connectSpireTls(address, svid ?? '', trustDomain, context)
  const registry = await readSpireServer(spire, signal).catch((error: unknown) => {
    throw svid === undefined ? error : whyDenied(error, svid)
  })
  if (registry.trustDomain !== trustDomain) {
    throw new MayflyError('PRECONDITION_FAILED', `the SPIRE server is of the trust domain ${registry.trustDomain}, this mayfly server of ${trustDomain}`, { hint: 'identities keep their names when they move: set up mayfly with the same trust domain' })
  }
  return registry
}

/** SPIRE's refusal does not say whose SVID it was shown. */
function whyDenied(error: unknown, folder: string): unknown {
  if (!(error instanceof MayflyError) || error.status !== 'PERMISSION_DENIED') return error
  return new MayflyError('PERMISSION_DENIED', error.message, { cause: error, hint: `svid.0.pem in ${folder} must be of an entry with -admin; a process with several identities has the files of others there too` })
}

async function entriesAt(server: RpcChannel, signal: AbortSignal): Promise<readonly MayflyEntry[]> {
  const found: MayflyEntry[] = []
  let pageToken = ''
  do {
    const page = await server.unary('mayfly.v1.Registry', 'ListEntries', { pageSize: 1_000, pageToken }, { signal })
    for (const entry of page.entries) found.push(entry)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return found
}

async function agentIdsAt(server: RpcChannel, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  let pageToken = ''
  do {
    const page = await server.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { pageSize: 500, pageToken, outputMask: {} }, { signal })
    for (const { id } of page.agents) ids.add(idFromWire(id))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return ids
}
