/** Keys that mayfly makes, kind and size, by the names that SPIRE's configuration gives them. */
export type KeyType = 'ec-p256' | 'ec-p384' | 'rsa-2048' | 'rsa-4096'

/** The first is the default everywhere. */
export const keyTypes: readonly KeyType[] = ['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096']
