/** What grpc-js says of a server that it could not connect to, in fewer words and with what to do; `undefined` for anything else. */
export function unreachable(details: string): { readonly message: string; readonly hint?: string } | undefined {
  const [, said] = /^No connection established\. Last error: ([\s\S]*?)(?:\. Resolution note: [\s\S]*)?$/.exec(details) ?? []
  const why = said?.replace(/^(?:[A-Z]\w*)?Error: /, '')
  if (why === undefined || why === '' || why === 'null') return undefined
  const hint = hints.find(([pattern]) => pattern.test(why))?.[1]
  return { message: `no connection: ${why}`, ...(hint === undefined ? {} : { hint }) }
}

const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/\bEACCES\b|\bEPERM\b/, 'this user may not open that socket: be its owner or root, or have your uid in adminUids'],
  [/\bECONNREFUSED\b|\bENOENT\b/, 'nobody listens there: does it run, and is that its address'],
  [/\bENOTFOUND\b|\bEAI_AGAIN\b/, 'no address is known for that name: is it spelled right, does DNS answer'],
  [/\bEHOSTUNREACH\b|\bENETUNREACH\b|\bETIMEDOUT\b/, 'no way leads there: is the address right, the port open in every firewall between'],
  [/no authority of its trust domain signed it/, 'is it the right address, and is the bundle that this side knows it by still that of the trust domain: mayfly bundle show'],
]
