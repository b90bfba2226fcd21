/** What is known of a person that tells which requests are theirs. */
export interface Asker {
  readonly name: string
  /** Owners that the person speaks for. */
  readonly owners: readonly string[]
  /** How requests name them, as `uid:1000` on any node, or `uid:1000 on spiffe://…/spire/agent/…` on one. */
  readonly requesters?: readonly string[] | undefined
}

/** Whether a request is a person's own (invariant 9): they asked for it, they own it, or they speak for who does. Nobody approves what is theirs. */
export function isOwnRequest({ name, owners, requesters = [] }: Asker, { requester, owner }: { readonly requester: string; readonly owner: string }): boolean {
  return name === owner || owners.includes(owner) || [name, ...requesters].some((one) => requester === one || requester.startsWith(`${one} on `))
}

/** Whether this names who asks, as {@link Asker} does. */
export function isRequesterName(text: string): boolean {
  return /^uid:(?:0|[1-9]\d{0,9})(?: on spiffe:\/\/[!-~]{1,2048})?$/.test(text)
}
