/** containerd's event stream, as hints to look again. */

import { toImageId, toStoredName } from '../cri/cri-calls.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { RuntimeEvent } from '../runtime.ts';
import { type Envelope, subscribe } from './containerd-protocol.ts';

type EventFields = Readonly<Partial<Record<'id' | 'container_id' | 'name' | 'key' | 'image', string>>>;

/** `Any` type URLs carry no prefix in containerd: `containerd.events.TaskStart`. */
export function decodeEvent(client: GrpcClient, { event }: Envelope): EventFields {
  if (event === null) return {};
  const type = event.type_url.slice(event.type_url.lastIndexOf('/') + 1);
  return client.decode(type, event.value) ?? {};
}

const topics = [
  '/containers/create',
  '/containers/delete',
  '/tasks/start',
  '/tasks/exit',
  '/images/create',
  '/images/update',
  '/images/delete',
];

export async function* watchEvents(client: GrpcClient, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  const filters = topics.map((topic) => `namespace==k8s.io,topic=="${topic}"`);
  try {
    for await (const envelope of client.stream(subscribe, { filters }, signal, { deadlineMs: 'none' })) {
      const event = toRuntimeEvent(envelope.topic, decodeEvent(client, envelope));
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Undefined for what is no hint: an exec that ended, the CRI's record that is named after a config digest. Pure. */
export function toRuntimeEvent(topic: string, fields: EventFields): RuntimeEvent | undefined {
  const { id = '', container_id = '' } = fields;
  const image = toImageId(fields.image ?? '') ?? toStoredName(fields.image ?? '');
  const name = toStoredName(fields.name ?? '');
  switch (topic) {
    case '/containers/create':
      return { kind: 'container', action: 'create', containerId: id, image };
    case '/containers/delete':
      return { kind: 'container', action: 'delete', containerId: id, image };
    case '/tasks/start':
      return { kind: 'container', action: 'start', containerId: container_id, image };
    case '/tasks/exit':
      return id === container_id ? { kind: 'container', action: 'exit', containerId: container_id, image } : undefined;
    case '/images/create':
    case '/images/update':
      return name === undefined ? undefined : { kind: 'image', action: 'add', name };
    case '/images/delete':
      return name === undefined ? undefined : { kind: 'image', action: 'remove', name };
    default:
      return undefined;
  }
}
