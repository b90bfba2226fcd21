/** Object identifiers, dotted. */
export const oid = {
  // public keys
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  p384: '1.3.132.0.34',
  rsaEncryption: '1.2.840.113549.1.1.1',
  ed25519: '1.3.101.112',
  // signatures
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  ecdsaWithSha512: '1.2.840.10045.4.3.4',
  rsaWithSha256: '1.2.840.113549.1.1.11',
  rsaWithSha384: '1.2.840.113549.1.1.12',
  rsaWithSha512: '1.2.840.113549.1.1.13',
  // extensions
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlNumber: '2.5.29.20',
  crlReason: '2.5.29.21',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  // extended key usages
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  /** The key signs the revocation stream (docs/revocation.md); nothing else. Our own, under 2.25.<uuid> (X.667). */
  revocationStreamSigning: '2.25.147690565135727973746999822851605260563.1',
  /** Extension of the SVID of a grant, see grant-claims.ts. Our own, each arc under 2³¹: other X.509 readers fail on a larger one (decision 14). */
  grantClaims: '1.2.840.113556.1.8000.2554.53405.28842.3261.19854.42076.6294724.8985398.1',
  // names and attributes
  commonName: '2.5.4.3',
  organizationName: '2.5.4.10',
  countryName: '2.5.4.6',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const
