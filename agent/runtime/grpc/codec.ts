/**
 * Encodes and decodes protobuf messages as their descriptors say (protobuf.dev, "Encoding"; proto3): what our descriptors use, no
 * more. protobufjs 7.6 by way of @grpc/proto-loader 0.8 costs 0.13 s of CPU at every start and keeps 5 MB resident, for a hundred
 * small messages.
 *
 * Decoded: 64-bit integers are decimal strings, absent messages null, every other absent field its default; what is not
 * described is skipped.
 */

import type { DescriptorNode, FieldDescriptor, MessageDescriptor, NamespaceDescriptor } from './descriptor.ts';
import { toTag, WireReader, wireType, writeBytes, writeVarint } from './wire.ts';

export interface Codec {
  /** @throws TypeError for a type that is not described, or a value that does not fit */
  encode(type: string, value: object): Buffer;
  /** @throws TypeError for a type that is not described; RangeError where the bytes are no such message */
  decode(type: string, bytes: Buffer): object;
  /** Request and response of `Service/Method`, by full name. @throws TypeError where it is not described */
  method(service: string, name: string): { readonly request: string; readonly response: string };
  has(type: string): boolean;
}

type Fields = Record<string, unknown>;
type Scalar = 'string' | 'bytes' | 'bool' | 'int32' | 'uint32' | 'int64' | 'uint64';

interface Field {
  readonly name: string;
  readonly id: number;
  readonly kind: Scalar | 'map' | 'message';
  readonly repeated: boolean;
  /** Full name, of a message's field. */
  readonly type: string;
}

interface Shape {
  readonly fields: readonly Field[];
  /** By field number and wire type: a field of another type than described is skipped, as protobuf demands. */
  readonly byTag: ReadonlyMap<number, Field>;
}

const varints: ReadonlySet<string> = new Set(['bool', 'int32', 'uint32', 'int64', 'uint64']);
const mapKeyId = 1;
const mapValueId = 2;
const mapKeyTag = toTag(mapKeyId, wireType.bytes);
const mapValueTag = toTag(mapValueId, wireType.bytes);

export function createCodec(root: NamespaceDescriptor): Codec {
  const nodes = new Map<string, DescriptorNode>();
  collect(root, '', nodes);
  const shapes = new Map<string, Shape>();

  function shapeOf(type: string): Shape {
    const known = shapes.get(type);
    if (known !== undefined) return known;
    const node = nodes.get(type);
    if (node === undefined || !('fields' in node)) throw new TypeError(`${type} is not described`);
    const shape = toShape(node, type.slice(0, type.lastIndexOf('.')));
    shapes.set(type, shape);
    return shape;
  }

  function toShape({ fields }: MessageDescriptor, scope: string): Shape {
    const all = Object.entries(fields).map(([name, field]) => toField(name, field, scope));
    return { fields: all, byTag: new Map(all.map((field) => [toTag(field.id, toWireType(field)), field])) };
  }

  function toField(name: string, { id, type, rule, keyType }: FieldDescriptor, scope: string): Field {
    const repeated = rule === 'repeated';
    if (keyType !== undefined) return { name, id, kind: 'map', repeated, type: '' };
    if (isScalar(type)) return { name, id, kind: type, repeated, type: '' };
    return { name, id, kind: 'message', repeated, type: qualify(type, scope) };
  }

  /** A name without its package is of the same one. */
  function qualify(type: string, scope: string): string {
    return nodes.has(`${scope}.${type}`) ? `${scope}.${type}` : type;
  }

  function encode(type: string, value: Fields): Buffer {
    const parts: Buffer[] = [];
    for (const field of shapeOf(type).fields) {
      const given = value[field.name];
      if (given === undefined || given === null) continue;
      for (const item of toItems(field, given)) parts.push(...encodeItem(field, item));
    }
    return Buffer.concat(parts);
  }

  function encodeItem({ id, kind, type }: Field, item: unknown): Buffer[] {
    switch (kind) {
      case 'string':
        return writeBytes(id, Buffer.from(String(item)));
      case 'bytes':
        return writeBytes(id, item as Buffer);
      case 'map':
        return writeBytes(id, encodeEntry(item as readonly [string, string]));
      case 'message':
        return writeBytes(id, encode(type, item as Fields));
      default:
        return writeVarint(id, BigInt(item as boolean | number | string));
    }
  }

  function decode(type: string, reader: WireReader): Fields {
    const { fields, byTag } = shapeOf(type);
    const value: Fields = {};
    for (const field of fields) value[field.name] = toDefault(field);
    while (!reader.ended) {
      const tag = reader.tag();
      const field = byTag.get(tag);
      if (field === undefined) reader.skip(tag);
      else decodeField(field, reader, value);
    }
    return value;
  }

  function decodeField(field: Field, reader: WireReader, value: Fields): void {
    if (field.kind === 'map') decodeEntry(reader.nested(), value[field.name] as Record<string, string>);
    else if (field.repeated) (value[field.name] as unknown[]).push(decodeItem(field, reader));
    else value[field.name] = decodeItem(field, reader);
  }

  function decodeItem({ kind, type }: Field, reader: WireReader): unknown {
    switch (kind) {
      case 'string':
        return reader.string();
      case 'bytes':
        return reader.bytes();
      case 'bool':
        return reader.varint() !== 0n;
      case 'int32':
        return Number(BigInt.asIntN(32, reader.varint()));
      case 'uint32':
        return Number(BigInt.asUintN(32, reader.varint()));
      case 'int64':
        return String(BigInt.asIntN(64, reader.varint()));
      case 'uint64':
        return String(reader.varint());
      default:
        return decode(type, reader.nested());
    }
  }

  return {
    encode: (type, value) => encode(type, value as Fields),
    decode: (type, bytes) => decode(type, new WireReader(bytes)),
    has: (type) => nodes.has(type),
    method(service, name) {
      const node = nodes.get(service);
      const found = node !== undefined && 'methods' in node ? node.methods[name] : undefined;
      if (found === undefined) throw new TypeError(`${service}/${name} is not described`);
      const scope = service.slice(0, service.lastIndexOf('.'));
      return { request: qualify(found.requestType, scope), response: qualify(found.responseType, scope) };
    },
  };
}

function collect({ nested }: NamespaceDescriptor, prefix: string, into: Map<string, DescriptorNode>): void {
  for (const [name, node] of Object.entries(nested)) {
    if ('nested' in node) collect(node, `${prefix}${name}.`, into);
    else into.set(prefix + name, node);
  }
}

function isScalar(type: string): type is Scalar {
  return type === 'string' || type === 'bytes' || varints.has(type);
}

function toWireType({ kind }: Field): number {
  return varints.has(kind) ? wireType.varint : wireType.bytes;
}

function toItems({ kind, repeated }: Field, given: unknown): readonly unknown[] {
  if (kind === 'map') return Object.entries(given as Record<string, string>);
  return repeated ? (given as readonly unknown[]) : [given];
}

function toDefault({ kind, repeated }: Field): unknown {
  if (repeated) return [];
  switch (kind) {
    case 'string':
      return '';
    case 'bytes':
      return Buffer.alloc(0);
    case 'bool':
      return false;
    case 'int32':
    case 'uint32':
      return 0;
    case 'map':
      return {};
    case 'message':
      return null;
    default:
      return '0';
  }
}

function encodeEntry([key, value]: readonly [string, string]): Buffer {
  return Buffer.concat([...writeBytes(mapKeyId, Buffer.from(key)), ...writeBytes(mapValueId, Buffer.from(value))]);
}

function decodeEntry(reader: WireReader, into: Record<string, string>): void {
  let key = '';
  let value = '';
  while (!reader.ended) {
    const tag = reader.tag();
    if (tag === mapKeyTag) key = reader.string();
    else if (tag === mapValueTag) value = reader.string();
    else reader.skip(tag);
  }
  into[key] = value;
}
