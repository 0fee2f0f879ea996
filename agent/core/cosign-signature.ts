/**
 * Signatures of cosign, verified with plain public keys: the simple signing format (cosign up to 2) and Sigstore bundles 0.1 to 0.3 with a DSSE
 * envelope (cosign 3). Not keyless ones: certificates, transparency logs and timestamps are not looked at. Pure.
 */

import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** As the registry holds it. */
export type CosignSignature =
  | { readonly kind: 'simple'; readonly payload: Buffer /** Base64. */; readonly signature: string }
  | { readonly kind: 'bundle'; readonly bundle: Buffer };

/** `keyIndex`: the first of the keys with which one of the signatures is valid. */
export type CosignVerdict =
  | { readonly ok: true; readonly keyIndex: number }
  | { readonly ok: false; readonly message: string };

type Fields = Readonly<Record<string, unknown>>;

/** What was signed, with all that is needed to check that. */
interface SignedClaim {
  readonly bytes: Buffer;
  readonly signatures: readonly Buffer[];
  /** What it says of the image is wrong; only its signature makes it worth saying. */
  readonly fault: string | undefined;
  readonly isKeyless: boolean;
}

/** The payload's type in the simple signing format, and the predicate that makes an in-toto statement a signature and no other attestation. */
const simpleType = 'cosign container image signature';
const signPredicate = 'https://sigstore.dev/cosign/sign/v1';
const statementType = 'application/vnd.in-toto+json';
const bundleType =
  /^application\/vnd\.dev\.sigstore\.bundle(?:\+json;version=0\.[12]|\.v0\.3\+json|\+json;version=0\.3)$/;

/** Whoever may push may leave signatures by the thousand. */
const maxSignatures = 50;
const minRsaBits = 2048;

/** The hash that goes with a curve; cosign before 2.5 always took SHA-256. */
const curveHashes: ReadonlyMap<string, readonly string[]> = new Map([
  ['prime256v1', ['sha256']],
  ['secp384r1', ['sha384', 'sha256']],
  ['secp521r1', ['sha512', 'sha256']],
]);
const rsaHashes = ['sha256', 'sha384', 'sha512'];

/**
 * Whether one of the signatures over the image with this digest is valid for one of the keys.
 * @param keys PEM, each without a fault by `publicKeyRule`.
 */
export function verifyCosign(
  signatures: readonly CosignSignature[],
  digest: string,
  keys: readonly string[],
): CosignVerdict {
  if (signatures.length === 0) return { ok: false, message: 'it has no cosign signature' };
  const objects = keys.map(toKey);
  const claims = signatures.slice(0, maxSignatures).map((one) => toClaim(one, digest));
  const faults: string[] = [];
  for (const claim of claims) {
    if (typeof claim === 'string') {
      faults.push(claim);
      continue;
    }
    const keyIndex = objects.findIndex((key) => key !== undefined && isSignedBy(claim, key));
    if (keyIndex >= 0 && claim.fault === undefined) return { ok: true, keyIndex };
    if (keyIndex >= 0) faults.unshift(claim.fault ?? '');
    else if (claim.isKeyless) faults.push('it is signed without a key (by a certificate), which is not verified here');
  }
  const why = faults[0] ?? 'they are of other keys';
  return {
    ok: false,
    message: `none of its cosign signatures (${signatures.length}) is valid for the given keys: ${why}`,
  };
}

/** What is wrong with a public key in PEM, or undefined. Takes ECDSA (P-256, P-384, P-521), Ed25519 and RSA from 2048 bits. */
export function publicKeyRule(pem: string): string | undefined {
  const frames = pem.match(/-----BEGIN [A-Z0-9 ]+-----/g) ?? [];
  if (frames.some((frame) => frame.includes('PRIVATE')))
    return 'it holds a private key: give the public one, cosign.pub';
  if (frames.some((frame) => frame.includes('CERTIFICATE')))
    return 'it holds a certificate: only plain public keys are taken';
  if (frames.length !== 1) return 'it must be one public key in PEM, beginning with -----BEGIN PUBLIC KEY-----';
  const key = toKey(pem);
  if (key === undefined) return 'it is not a readable public key in PEM';
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return undefined;
    case 'ec':
      return curveHashes.has(namedCurve) ? undefined : 'its curve is none of P-256, P-384 and P-521';
    case 'rsa':
      return modulusLength >= minRsaBits ? undefined : `its RSA key has fewer than ${minRsaBits} bits`;
    default:
      return 'it is neither an ECDSA nor an Ed25519 nor an RSA key';
  }
}

function toKey(pem: string): KeyObject | undefined {
  try {
    return createPublicKey({ key: pem.trim(), format: 'pem' });
  } catch {
    return undefined;
  }
}

/** A text says why there is nothing to verify. */
function toClaim(one: CosignSignature, digest: string): SignedClaim | string {
  return one.kind === 'simple' ? toSimpleClaim(one.payload, one.signature, digest) : toBundleClaim(one.bundle, digest);
}

function toSimpleClaim(payload: Buffer, signature: string, digest: string): SignedClaim | string {
  const critical = fieldsOf(parse(payload)?.['critical']);
  if (critical === undefined) return 'its payload is not in the simple signing format';
  const signed = fieldsOf(critical['image'])?.['docker-manifest-digest'];
  const fault =
    critical['type'] === simpleType
      ? faultOfDigest(signed === digest)
      : 'what is signed is no image signature of cosign';
  return { bytes: payload, signatures: [Buffer.from(signature, 'base64')], fault, isKeyless: false };
}

function toBundleClaim(bytes: Buffer, digest: string): SignedClaim | string {
  const bundle = parse(bytes);
  if (bundle === undefined || typeof bundle['mediaType'] !== 'string' || !bundleType.test(bundle['mediaType'])) {
    return 'its bundle is not a Sigstore bundle of version 0.1 to 0.3';
  }
  const envelope = fieldsOf(bundle['dsseEnvelope']);
  const { payload, payloadType, signatures } = envelope ?? {};
  if (typeof payload !== 'string' || payloadType !== statementType || !Array.isArray(signatures)) {
    return 'its bundle has no DSSE envelope with an in-toto statement';
  }
  const body = Buffer.from(payload, 'base64');
  const material = fieldsOf(bundle['verificationMaterial']) ?? {};
  return {
    bytes: toPreAuthentication(payloadType, body),
    signatures: signatures.slice(0, maxSignatures).flatMap((one: unknown) => {
      const sig = fieldsOf(one)?.['sig'];
      return typeof sig === 'string' ? [Buffer.from(sig, 'base64')] : [];
    }),
    fault: faultOfStatement(parse(body), digest),
    isKeyless: 'certificate' in material || 'x509CertificateChain' in material,
  };
}

/** What DSSE 1.0 signs in place of the payload. */
function toPreAuthentication(type: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `, 'utf8'), payload]);
}

/** An attestation (a bill of materials, a scan that failed) is stored alike, and says nothing in favour of the image. */
function faultOfStatement(statement: Fields | undefined, digest: string): string | undefined {
  if (statement === undefined || statement['predicateType'] !== signPredicate) {
    return 'what is signed is an attestation and no image signature';
  }
  const [algorithm = '', hex = ''] = digest.split(':');
  const subjects: unknown = statement['subject'];
  return faultOfDigest(
    Array.isArray(subjects) &&
      subjects.some((subject: unknown) => hex !== '' && fieldsOf(fieldsOf(subject)?.['digest'])?.[algorithm] === hex),
  );
}

function faultOfDigest(isSame: boolean): string | undefined {
  return isSame ? undefined : 'what is signed is another digest';
}

function isSignedBy({ bytes, signatures }: SignedClaim, key: KeyObject): boolean {
  return signatures.some((signature) => signature.length > 0 && isValid(bytes, signature, key));
}

function isValid(bytes: Buffer, signature: Buffer, key: KeyObject): boolean {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return holds(null, bytes, key, signature);
    case 'ec':
      return (curveHashes.get(namedCurve) ?? []).some((hash) => holds(hash, bytes, key, signature));
    case 'rsa':
      if (modulusLength < minRsaBits) return false;
      return rsaHashes.some(
        (hash) =>
          holds(hash, bytes, { key, padding: constants.RSA_PKCS1_PADDING }, signature) ||
          holds(hash, bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING }, signature),
      );
    default:
      return false;
  }
}

/** Bytes that are no signature at all are an invalid one. */
function holds(
  hash: string | null,
  bytes: Buffer,
  key: KeyObject | { readonly key: KeyObject; readonly padding: number },
  signature: Buffer,
): boolean {
  try {
    return verify(hash, bytes, key, signature);
  } catch {
    return false;
  }
}

function parse(bytes: Buffer): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
