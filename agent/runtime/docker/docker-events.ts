import { Failure } from '../../core/failure.ts';
import type { RuntimeEvent } from '../runtime.ts';
import type { DockerCall, DockerClient } from './docker-client.ts';
import { toStoredName } from './docker-objects.ts';
import { readJsonLines } from './json-lines.ts';

const containerActions = { create: 'create', start: 'start', die: 'exit', destroy: 'delete' } as const;
const imageActions = {
  pull: 'add',
  tag: 'add',
  load: 'add',
  import: 'add',
  untag: 'remove',
  delete: 'remove',
} as const;

/** What to ask `/events` for: nothing else is sent then. */
const eventFilters = {
  type: ['container', 'image'],
  event: [...Object.keys(containerActions), ...Object.keys(imageActions)],
};

/** `sinceMs`: dockerd replays what happened since then (of its last 256 events), so that none is lost while the stream opens. */
export async function* readEvents(
  client: DockerClient,
  sinceMs: number,
  signal: AbortSignal,
): AsyncGenerator<RuntimeEvent, void, undefined> {
  if (signal.aborted) return;
  const query = { since: (sinceMs / 1000).toFixed(3), filters: JSON.stringify(eventFilters) };
  const call: DockerCall = { method: 'GET', path: '/events', query };
  try {
    for await (const line of readJsonLines(await client.open(call, signal))) {
      const event = toRuntimeEvent(line);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Failure) throw error;
    throw new Failure('runtime', 'docker broke off its events', { detail: 'unavailable', cause: error });
  }
  if (!signal.aborted) throw new Failure('runtime', 'docker ended its events', { detail: 'unavailable' });
}

/** Undefined for events that say nothing of images or of their use. */
function toRuntimeEvent(line: unknown): RuntimeEvent | undefined {
  const event = line as {
    readonly Type?: string;
    readonly Action?: string;
    readonly Actor?: {
      readonly ID?: string;
      readonly Attributes?: { readonly name?: string; readonly image?: string };
    };
  };
  const id = event.Actor?.ID ?? '';
  const action = event.Action ?? '';
  const { name, image } = event.Actor?.Attributes ?? {};
  if (event.Type === 'container' && Object.hasOwn(containerActions, action)) {
    const known = containerActions[action as keyof typeof containerActions];
    return { kind: 'container', action: known, containerId: id, image: toImage(image) };
  }
  if (event.Type === 'image' && Object.hasOwn(imageActions, action)) {
    // A pull carries the full name as its id, a tag as its attribute; untag and delete tell only the image's id.
    const told = id.startsWith('sha256:') ? (name ?? id) : id;
    return { kind: 'image', action: imageActions[action as keyof typeof imageActions], name: toImage(told) ?? told };
  }
  return undefined;
}

/** What the container's maker wrote: a name, an id, or the beginning of an id, which from here looks like a name too and is left out. */
function toImage(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (text.startsWith('sha256:')) return text;
  if (/^[0-9a-f]{64}$/.test(text)) return `sha256:${text}`;
  return /^[0-9a-f]{12,63}$/.test(text) ? undefined : toStoredName(text);
}
