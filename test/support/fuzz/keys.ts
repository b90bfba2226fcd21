import { PrivateKey } from '../../../src/x509/private-key.ts'

/** The same in every run, so that kept inputs that were signed keep their meaning. Of no value to anybody. */
export const fixedKeys: readonly [PrivateKey, PrivateKey, PrivateKey, PrivateKey] = [
  keyOf('MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCwsCzdaZi052WlrlxktT92GsJ14G9wimE6Ee/gQZiruhRANCAAQvoR2EhPTG1PL85MPGPsI2qpZzgSImJXLazIfb1CB3DQ3I2IPGdMD7ck2by7g6w0YSRYc9g86dRm4lzI3LktUr'),
  keyOf('MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2shbq2aFzjCe0Jpjy2pSZ1FQeVMSG2NtqPY6GVnrIBuhRANCAAQkX1A0tQUWogb5GBSyzJsZO+PyeIqcmkupzOhs5gtlc/x9tg0e56v/ORrQjjMT99z5YDLcO0B2zOQEANy7J6Vo'),
  keyOf('MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZeI+RLr7x4x5HHgBYkcS/nZ48tegtMkLAL1d6hi51qOhRANCAAR3Isovgj33TdcH0EqMmJVFXIn16CqlWohj7QywXDZ+tf6sXakBwLawh8u57u4rg4NobTPoafLnAwa0J0uK3176'),
  keyOf('MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQpZw+sQqTLXVaMr2g4QIWhJ/BJctGsh0eR+qemTsuKChRANCAAQN7UqI+nJ7zHCB9lMKaHtW0yKc1sGeGLEsBHoHS7zH0x21ojXsF5s85dolXu0d+87zYtjQ/Z9pgSa/PK3Q7c1p'),
]

function keyOf(pkcs8: string): PrivateKey {
  return PrivateKey.fromPkcs8(new Uint8Array(Buffer.from(pkcs8, 'base64')))
}
