/**
 * A container runtime in memory, for tests of whatever drives the port. It keeps the port's contract (the contract suite runs on it) and
 * behaves like the runtime that `like` names where they differ: what survives an abort, what refuses to be removed, what is reported.
 *
 * Without `faults.bytesPerSecond` and `unpackMs` nothing waits for a timer, so that it suits fake time. Tests drive it through
 * `registry`, `disk` and the control methods that it inherits.
 */

import { tmpdir } from 'node:os';
import { Failure } from '../../agent/core/failure.ts';
import { parseReference, repositoryName, storedName } from '../../agent/core/image-reference.ts';
import type * as port from '../../agent/runtime/runtime.ts';
import { FakeControls } from './fake-controls.ts';
import { fakeKinds } from './fake-kinds.ts';

export type { FakeRuntimeOptions } from './fake-controls.ts';

export class FakeRuntime extends FakeControls implements port.Runtime {
  async info(signal: AbortSignal): Promise<port.RuntimeInfo> {
    await this.gate.enter('info', undefined, signal);
    const { info, capabilities } = fakeKinds[this.kind];
    // A path that exists wherever tests run: callers may ask for its filesystem.
    return { kind: this.kind, ...info, imageRoot: tmpdir(), capabilities };
  }

  async listImages(signal: AbortSignal): Promise<readonly port.RuntimeImage[]> {
    await this.gate.enter('listImages', undefined, signal);
    return this.store.listImages();
  }

  async listContainers(signal: AbortSignal): Promise<readonly port.RuntimeContainer[]> {
    await this.gate.enter('listContainers', undefined, signal);
    return this.containers.list();
  }

  async listLayers(signal: AbortSignal): Promise<port.PresentLayers> {
    await this.gate.enter('listLayers', undefined, signal);
    return this.store.listLayers();
  }

  async pull(request: port.PullRequest, signal: AbortSignal): Promise<port.PullResult> {
    await this.gate.enter('pull', request.reference, signal);
    const checkAlive = this.gate.lifeCheck();
    const image = await this.puller.pull(request, signal, checkAlive, (pulled) => {
      const reference = parseReference(request.reference);
      const digestName = `${repositoryName(reference)}@${pulled.manifestDigest}`;
      this.save(pulled, [...new Set([storedName(reference), digestName])]);
    });
    return { imageId: image.id };
  }

  async discardPartialPulls(keep: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    await this.gate.enter('discardPartialPulls', undefined, signal);
    this.puller.discard(keep);
  }

  async listImageParts(signal: AbortSignal): Promise<ReadonlyMap<string, readonly port.ImagePart[]>> {
    await this.gate.enter('listImageParts', undefined, signal);
    return new Map(this.store.images.map((image) => [image.id, this.store.partsOf(image)]));
  }

  async readImageDetails(
    imageIds: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, port.ImageDetails>> {
    await this.gate.enter('readImageDetails', undefined, signal);
    const wanted = this.store.images.filter(({ id }) => imageIds.includes(id));
    return new Map(wanted.map(({ id, details }) => [id, details]));
  }

  async findInfrastructureImages(signal: AbortSignal): Promise<ReadonlySet<string>> {
    await this.gate.enter('findInfrastructureImages', undefined, signal);
    return new Set([...this.infrastructure].filter((id) => this.store.get(id) !== undefined));
  }

  async removeImage(imageId: string, signal: AbortSignal): Promise<port.Removal> {
    await this.gate.enter('removeImage', imageId, signal);
    return await this.remover.remove(imageId, signal);
  }

  async undoRemovals(begun: port.BegunRemoval | undefined, signal: AbortSignal): Promise<readonly string[]> {
    await this.gate.enter('undoRemovals', begun?.imageId, signal);
    return this.remover.undo(begun);
  }

  async removeTraces(kind: port.TraceKind, signal: AbortSignal): Promise<number> {
    await this.gate.enter('removeTraces', kind, signal);
    switch (kind) {
      case 'pins':
        return this.store.names.unpinAll('us');
      case 'leases': {
        const count = this.puller.leases.length + this.remover.forget();
        this.puller.discard(new Set());
        return count;
      }
      case 'ties':
      case 'guards':
        return 0;
    }
  }

  async listLeftovers(kinds: ReadonlySet<port.LeftoverKind>, signal: AbortSignal): Promise<readonly port.Leftover[]> {
    await this.gate.enter('listLeftovers', undefined, signal);
    return this.leftovers.list(kinds);
  }

  async removeLeftover(leftover: port.Leftover, signal: AbortSignal): Promise<'removed' | 'absent' | 'in_use'> {
    await this.gate.enter('removeLeftover', leftover.id, signal);
    return this.leftovers.remove(leftover);
  }

  async setPinned(name: string, pinned: boolean, signal: AbortSignal): Promise<void> {
    await this.gate.enter('setPinned', name, signal);
    if (!fakeKinds[this.kind].capabilities.pin) throw new Failure('runtime', `${this.kind} cannot pin`);
    if (this.store.find(name) === undefined) throw new Failure('not_found', `no image is named ${name}`);
    if (pinned) this.store.names.pin(name, 'us');
    else this.store.names.unpin(name, 'us');
  }

  async addName(source: string, target: string, signal: AbortSignal): Promise<void> {
    await this.gate.enter('addName', `${source} ${target}`, signal);
    if (!fakeKinds[this.kind].capabilities.alias) throw new Failure('runtime', `${this.kind} cannot name an image`);
    const image = this.store.find(source);
    if (image === undefined) throw new Failure('not_found', `no image is named ${source}`);
    this.save(image, [target]);
  }

  async *watch(signal: AbortSignal): AsyncIterable<port.RuntimeEvent> {
    if (signal.aborted) return;
    await this.gate.enter('watch', undefined, signal);
    const checkAlive = this.gate.lifeCheck();
    if (!fakeKinds[this.kind].capabilities.events) throw new Failure('runtime', `${this.kind} tells no events`);
    yield* this.events.watch(signal, checkAlive);
  }

  close(): void {}
}
