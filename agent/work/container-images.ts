import type { RuntimeContainer, RuntimeImage } from '../core/node-images.ts';
import { namesOf } from '../core/prune-protection.ts';
import type { UsageEvidence } from '../core/usage.ts';
import type { RuntimeEvent } from '../runtime/runtime.ts';

/** How many containers of unknown images are remembered until a listing explains them. */
const mostUnknown = 1_000;

interface KnownContainer {
  readonly imageIds: readonly string[];
  /** State and times as the last listing told them; undefined: only heard of, since then. */
  readonly story: string | undefined;
}

/** Which image each container stands on: what events, which name a container only, are understood by. */
export class ContainerImages {
  #idsByName: ReadonlyMap<string, string> = new Map();
  #containers = new Map<string, KnownContainer>();
  /** Seen in an event, made from a name that no listing has had yet. */
  readonly #unknown = new Map<string, string>();

  setImages(images: readonly RuntimeImage[], ids: Iterable<string>): void {
    const names = images.flatMap((image) => [image.id, ...namesOf(image)].map((name) => [name, image.id] as const));
    this.#idsByName = new Map([...names, ...[...ids].map((id) => [id, id] as const)]);
  }

  /** What is new since the listing before: of a container that stopped, its times count once. Containers that are gone are forgotten. */
  toEvidence(containers: readonly RuntimeContainer[]): UsageEvidence[] {
    const evidence: UsageEvidence[] = [];
    for (const name of this.#unknown.values()) {
      const imageId = this.#idsByName.get(name);
      // It came and went since the last listing.
      if (imageId !== undefined) evidence.push({ imageId, source: 'container_start', at: undefined });
    }
    this.#unknown.clear();
    const earlier = this.#containers;
    this.#containers = new Map();
    for (const [id, { imageIds, story }] of earlier) {
      // The listing may have been made before it came.
      if (story === undefined) this.#containers.set(id, { imageIds, story: '' });
    }
    for (const container of containers) {
      const [imageIds, story] = [this.#idsOf(container), toStory(container)];
      this.#containers.set(container.id, { imageIds, story });
      if (!isLive(container) && earlier.get(container.id)?.story === story) continue;
      for (const imageId of imageIds) evidence.push(toEvidence(imageId, container));
    }
    return evidence;
  }

  hear(event: RuntimeEvent): UsageEvidence[] {
    if (event.kind !== 'container') return [];
    const { action, containerId, image } = event;
    if (image !== undefined && !this.#containers.has(containerId)) {
      const imageId = this.#idsByName.get(image);
      if (imageId !== undefined) this.#containers.set(containerId, { imageIds: [imageId], story: undefined });
      else if (this.#unknown.size < mostUnknown) this.#unknown.set(containerId, image);
    }
    const { imageIds = [] } = this.#containers.get(containerId) ?? {};
    if (action === 'delete') this.#containers.delete(containerId);
    // That an exited container is deleted is no use.
    if (action === 'delete') return [];
    const source = action === 'exit' ? 'container_exit' : 'container_start';
    return imageIds.map((imageId) => ({ imageId, source, at: undefined }));
  }

  #idsOf({ imageIds, imageName }: RuntimeContainer): readonly string[] {
    const named = imageName === undefined ? undefined : this.#idsByName.get(imageName);
    return imageIds.length > 0 || named === undefined ? imageIds : [named];
  }
}

function isLive({ state }: RuntimeContainer): boolean {
  return state === 'running' || state === 'unknown';
}

function toStory({ state, startedAt, finishedAt }: RuntimeContainer): string {
  return [state, startedAt, finishedAt].join(' ');
}

/** One that runs uses its image now; one that stopped did until it finished, one that never ran when it was made. */
function toEvidence(imageId: string, container: RuntimeContainer): UsageEvidence {
  const { state, createdAt, startedAt, finishedAt } = container;
  if (state === 'exited' && (finishedAt ?? startedAt) !== undefined) {
    return { imageId, source: 'container_exit', at: finishedAt ?? startedAt };
  }
  if (state === 'created' && createdAt !== undefined) return { imageId, source: 'container_start', at: createdAt };
  return { imageId, source: 'in_use', at: undefined };
}
