/** The wire format of protobuf (protobuf.dev, "Encoding"): tags, varints, and fields with a length. */

export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Reads one message, or one field's part of it. Everything throws RangeError where the bytes end too early. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get ended(): boolean {
    return this.#at >= this.#end;
  }

  /** Field number times 8 plus wire type. */
  tag(): number {
    return this.#length();
  }

  /** Unsigned, 64 bits. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
      if (shift > 63n) throw new RangeError('a varint has more than ten bytes');
    }
  }

  string(): string {
    const start = this.#take(this.#length());
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** A copy: the message's buffer can go. */
  bytes(): Buffer {
    const start = this.#take(this.#length());
    return Buffer.from(this.#bytes.subarray(start, this.#at));
  }

  nested(): WireReader {
    const start = this.#take(this.#length());
    return new WireReader(this.#bytes, start, this.#at);
  }

  /** What comes after `tag`. */
  skip(tag: number): void {
    const type = tag & 7;
    if (type === wireType.bytes) this.#take(this.#length());
    else if (type === wireType.varint) while (this.#byte() >= 0x80);
    else if (type === wireType.fixed64) this.#take(8);
    else if (type === wireType.fixed32) this.#take(4);
    else throw new RangeError(`wire type ${type} is not known`);
  }

  #byte(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  /** A varint of 32 bits. */
  #length(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      if (factor > 0x10000000) throw new RangeError('a length has more than five bytes');
    }
  }

  /** Where the next `length` bytes start. */
  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#end) throw new RangeError('the message ends in the middle of a field');
    this.#at = start + length;
    return start;
  }
}

export function writeVarint(id: number, value: bigint): Buffer[] {
  return [toVarint(BigInt(toTag(id, wireType.varint))), toVarint(BigInt.asUintN(64, value))];
}

export function writeBytes(id: number, bytes: Buffer): Buffer[] {
  return [toVarint(BigInt(toTag(id, wireType.bytes))), toVarint(BigInt(bytes.length)), bytes];
}

export function toTag(id: number, type: number): number {
  return id * 8 + type;
}

function toVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
