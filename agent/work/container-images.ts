import type { RuntimeContainer, RuntimeImage } from '../core/node-images.ts';
import { namesOf } from '../core/prune-protection.ts';
import type { UsageEvidence } from '../core/usage.ts';
import type { RuntimeEvent } from '../runtime/runtime.ts';

/** How many containers of unknown images are remembered until a listing explains them. */
const mostUnknown = 1_000;

/** Which image each container stands on: what events, which name a container only, are understood by. */
export class ContainerImages {
  #idsByName: ReadonlyMap<string, string> = new Map();
  readonly #images = new Map<string, readonly string[]>();
  /** Seen in an event, made from a name that no listing has had yet. */
  readonly #unknown = new Map<string, string>();

  setImages(images: readonly RuntimeImage[], ids: Iterable<string>): void {
    const names = images.flatMap((image) => [image.id, ...namesOf(image)].map((name) => [name, image.id] as const));
    this.#idsByName = new Map([...names, ...[...ids].map((id) => [id, id] as const)]);
  }

  /** Of a full listing; containers that are gone are forgotten. */
  toEvidence(containers: readonly RuntimeContainer[]): UsageEvidence[] {
    const evidence: UsageEvidence[] = [];
    for (const name of this.#unknown.values()) {
      const imageId = this.#idsByName.get(name);
      // It came and went since the last listing.
      if (imageId !== undefined) evidence.push({ imageId, source: 'container_start', at: undefined });
    }
    this.#unknown.clear();
    this.#images.clear();
    for (const container of containers) {
      const ids = this.#idsOf(container);
      this.#images.set(container.id, ids);
      for (const imageId of ids) evidence.push(toEvidence(imageId, container));
    }
    return evidence;
  }

  hear(event: RuntimeEvent): UsageEvidence[] {
    if (event.kind !== 'container') return [];
    const { action, containerId, image } = event;
    if (image !== undefined && !this.#images.has(containerId)) {
      const imageId = this.#idsByName.get(image);
      if (imageId !== undefined) this.#images.set(containerId, [imageId]);
      else if (this.#unknown.size < mostUnknown) this.#unknown.set(containerId, image);
    }
    const ids = this.#images.get(containerId) ?? [];
    if (action === 'delete') this.#images.delete(containerId);
    // That an exited container is deleted is no use.
    if (action === 'delete') return [];
    const source = action === 'exit' ? 'container_exit' : 'container_start';
    return ids.map((imageId) => ({ imageId, source, at: undefined }));
  }

  #idsOf({ imageIds, imageName }: RuntimeContainer): readonly string[] {
    const named = imageName === undefined ? undefined : this.#idsByName.get(imageName);
    return imageIds.length > 0 || named === undefined ? imageIds : [named];
  }
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
