export { MAX_SIGNATURE_BYTES } from "./fields.ts";
export {
  type AuthorizationIdentity,
  authorizationId,
  sameTerms,
  termsDigest,
} from "./identity.ts";
export { AuthorizationInputError } from "./inputError.ts";
export { type LineResult, MAX_LINE_BYTES, readAuthorizations } from "./lines.ts";
export {
  type AuthorizationFormat,
  type ParseContext,
  type ParsedAuthorization,
  parseAuthorization,
} from "./parse.ts";
export { serialiseAuthorization } from "./serialise.ts";
export { type AuthorizationSigner, randomNonce, SignerMismatchError, signAuthorization } from "./sign.ts";
export { type Erc6492Wrapper, isErc6492, normaliseSignature, splitSignature, unwrapErc6492 } from "./signature.ts";
export { authorizationTypedData, eip3009Types, hashAuthorization } from "./typedData.ts";
export type { Authorization, SignedAuthorization } from "./types.ts";
export { type OfflineVerdict, verifySignatureOffline } from "./verify.ts";
