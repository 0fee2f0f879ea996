/** Short forms for descriptors in protobufjs's JSON format: each service file lists only the messages and fields that we use. */

export interface FieldDescriptor {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: string;
}

export interface MessageDescriptor {
  readonly fields: Readonly<Record<string, FieldDescriptor>>;
}

export interface MethodDescriptor {
  readonly requestType: string;
  readonly responseType: string;
  readonly responseStream?: boolean;
}

export interface NamespaceDescriptor {
  readonly nested: Readonly<Record<string, DescriptorNode>>;
}

export type DescriptorNode =
  | NamespaceDescriptor
  | MessageDescriptor
  | { readonly methods: Readonly<Record<string, MethodDescriptor>> };

export function field(id: number, type = 'string'): FieldDescriptor {
  return { type, id };
}

export function repeated(id: number, type = 'string'): FieldDescriptor {
  return { rule: 'repeated', type, id };
}

/** `map<string, string>` */
export function stringMap(id: number): FieldDescriptor {
  return { keyType: 'string', type: 'string', id };
}

export function message(fields: Record<string, FieldDescriptor> = {}): MessageDescriptor {
  return { fields };
}

export function rpc(requestType: string, responseType: string): MethodDescriptor {
  return { requestType, responseType };
}

export function streamRpc(requestType: string, responseType: string): MethodDescriptor {
  return { requestType, responseType, responseStream: true };
}

/** Wraps `nodes` into the dotted package: `inPackage('runtime.v1', …)`. */
export function inPackage(name: string, nodes: Readonly<Record<string, DescriptorNode>>): NamespaceDescriptor {
  const [first = '', ...rest] = name.split('.');
  return { nested: { [first]: rest.length === 0 ? { nested: nodes } : inPackage(rest.join('.'), nodes) } };
}

/** One tree out of several packages that share outer names. */
export function mergePackages(packages: readonly NamespaceDescriptor[]): NamespaceDescriptor {
  const nested: Record<string, DescriptorNode> = {};
  for (const namespace of packages) {
    for (const [name, node] of Object.entries(namespace.nested)) {
      const present = nested[name];
      nested[name] =
        present !== undefined && 'nested' in present && 'nested' in node ? mergePackages([present, node]) : node;
    }
  }
  return { nested };
}

/** A method with the types of its messages; `Request` and `Response` exist for the compiler only. */
export interface GrpcMethod<Request extends object, Response extends object> {
  /** `runtime.v1.ImageService` */
  readonly service: string;
  readonly name: string;
  /** The message to decode answers as, where it is not the method's own: one with fewer fields. */
  readonly decodeAs: string | undefined;
  readonly request?: Request;
  readonly response?: Response;
}

export function grpcMethod<Request extends object, Response extends object>(
  service: string,
  name: string,
  decodeAs?: string,
): GrpcMethod<Request, Response> {
  return { service, name, decodeAs };
}

/** google.protobuf.Timestamp as the codec decodes it. */
export interface Timestamp {
  readonly seconds: string;
  readonly nanos: number;
}

/** Epoch milliseconds; undefined for an absent time and for Go's zero time. */
export function toEpochMs(time: Timestamp | null | undefined): number | undefined {
  if (time === null || time === undefined) return undefined;
  const ms = Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
  return ms > 0 ? ms : undefined;
}
