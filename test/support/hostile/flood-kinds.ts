/** The floods that `flood.ts` knows, in words. */
export const floodKinds = {
  rapidReset: 'calls that are cancelled at once (rapid reset)',
  madeYouReset: 'calls made so that the server resets them',
  neverEnding: 'calls that never end',
  settings: 'settings',
  pings: 'pings',
  continuation: 'headers without an end',
  emptyData: 'empty data',
  wholeCalls: 'whole calls as fast as they can be written',
} as const
