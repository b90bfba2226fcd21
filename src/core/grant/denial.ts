/** What can be done about a request that was denied for these reasons: where a policy denied it, its text says so. */
export function hintForDenial(grantId: string, reasons: readonly string[]): string {
  if (reasons.includes('inside-grant')) return 'this process runs inside of a grant: asked for on the socket of that one ($SPIFFE_ENDPOINT_SOCKET there), it is a child of it'
  return `mayfly policy explain ${grantId}`
}
