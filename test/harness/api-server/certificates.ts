/** A certificate authority and a server certificate made at start, for loopback only: X.509 in DER by hand, signed by node:crypto. */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certificates {
  /** PEM of the authority: what a client must trust. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const dayMs = 86_400_000;
const oids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};

/** For `127.0.0.1`, `localhost` and further host names, good for a day. */
export function makeCertificates(...hostNames: readonly string[]): Certificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ca = toPem(
    toCertificate('test authority', 'test authority', authority.publicKey, authority.privateKey, [
      extension(oids.basicConstraints, sequence(tlv(0x01, Buffer.from([0xff])))),
      // keyCertSign
      extension(oids.keyUsage, tlv(0x03, Buffer.from([2, 0x04]))),
    ]),
  );
  const dnsNames = ['localhost', ...hostNames].map((name) => tlv(0x82, Buffer.from(name)));
  const names = [tlv(0x87, Buffer.from([127, 0, 0, 1])), ...dnsNames];
  const cert = toPem(
    toCertificate('test API server', 'test authority', server.publicKey, authority.privateKey, [
      extension(oids.subjectAltName, sequence(...names)),
      extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth))),
    ]),
  );
  return { ca, cert, key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function toCertificate(
  subject: string,
  issuer: string,
  publicKey: KeyObject,
  signer: KeyObject,
  extensions: readonly Buffer[],
): Buffer {
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    // A serial number is positive: the leading byte keeps the highest bit clear.
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    toName(issuer),
    sequence(toUtcTime(Date.now() - dayMs), toUtcTime(Date.now() + dayMs)),
    toName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  );
  return sequence(body, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, signer)])));
}

function toName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid(oids.commonName), tlv(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tlv(0x04, value));
}

function toUtcTime(timeMs: number): Buffer {
  return tlv(0x17, Buffer.from(`${new Date(timeMs).toISOString().slice(2, 19).replaceAll(/[-T:]/g, '')}Z`));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(toBase128)]));
}

function toBase128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
