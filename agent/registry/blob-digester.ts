/** Checks a blob while it streams by, without keeping it: size, digest, and the error that Harbor may write behind a broken one. */

import type { Hash } from 'node:crypto';
import type { ManifestLayer } from '../core/manifest.ts';
import { checkContentHash, createContentHash, toMismatch } from './content-digest.ts';

/** Longer than Harbor's error document, `{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}`. */
const tailBytes = 512;

export class BlobDigester {
  readonly #blob: ManifestLayer;
  readonly #subject: string;
  #hash: Hash;
  #length = 0;
  #tail: Buffer = Buffer.alloc(0);

  /** @throws Failure `other` where the digest's algorithm cannot be checked */
  constructor(blob: ManifestLayer, subject: string) {
    this.#blob = blob;
    this.#subject = subject;
    this.#hash = createContentHash(blob.digest, subject);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  restart(): void {
    this.#hash = createContentHash(this.#blob.digest, this.#subject);
    this.#length = 0;
    this.#tail = Buffer.alloc(0);
  }

  /**
   * What the answer says of its own length, before it is read.
   * @throws Failure `upstream` (`digest_mismatch`) where that cannot be the blob
   */
  expect(contentLength: string | undefined, isRange: boolean): void {
    if (contentLength === undefined || !/^\d+$/.test(contentLength)) return;
    const all = Number(contentLength) + (isRange ? this.#length : 0);
    if (all !== this.#blob.sizeBytes) {
      throw toMismatch(`${this.#subject} should have ${this.#blob.sizeBytes} bytes, the registry has ${all}`);
    }
  }

  /** @throws Failure `upstream` (`digest_mismatch`) beyond the blob's size */
  add(chunk: Buffer): void {
    this.#length += chunk.length;
    this.#hash.update(chunk);
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(-tailBytes)]).subarray(-tailBytes);
    if (this.#length > this.#blob.sizeBytes) {
      throw toMismatch(`the registry sends more than the ${this.#blob.sizeBytes} bytes of ${this.#subject}`);
    }
  }

  /** @throws Failure `upstream` (`digest_mismatch`) where it is not the blob */
  finish(): void {
    const { sizeBytes, digest } = this.#blob;
    if (this.#length < sizeBytes) {
      const isCut = /\{"errors":\[\{"code":"[^]*\}\]\}\s*$/.test(this.#tail.toString('latin1'));
      const why = isCut ? ', with an error at its end: the upstream broke off' : '';
      throw toMismatch(`${this.#subject} ends after ${this.#length} of ${sizeBytes} bytes${why}`);
    }
    checkContentHash(this.#hash, digest, this.#subject);
  }
}
