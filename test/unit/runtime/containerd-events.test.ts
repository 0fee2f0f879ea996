import { describe, expect, it } from 'vitest';
import { toRuntimeEvent } from '../../../agent/runtime/containerd/events.ts';

describe("containerd's events", () => {
  it.each([
    ['/containers/create', { id: 'c' }, { kind: 'container', action: 'create', containerId: 'c', image: undefined }],
    ['/containers/delete', { id: 'c' }, { kind: 'container', action: 'delete', containerId: 'c', image: undefined }],
    ['/tasks/start', { container_id: 'c' }, { kind: 'container', action: 'start', containerId: 'c', image: undefined }],
    [
      '/tasks/exit',
      { container_id: 'c', id: 'c' },
      { kind: 'container', action: 'exit', containerId: 'c', image: undefined },
    ],
    ['/images/create', { name: 'busybox:1' }, { kind: 'image', action: 'add', name: 'docker.io/library/busybox:1' }],
    ['/images/update', { name: 'h:5/a:1' }, { kind: 'image', action: 'add', name: 'h:5/a:1' }],
    ['/images/delete', { name: 'h:5/a:1' }, { kind: 'image', action: 'remove', name: 'h:5/a:1' }],
  ])('%s %o', (topic, fields, expected) => {
    expect(toRuntimeEvent(topic, fields)).toEqual(expected);
  });

  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['a'.repeat(64), `sha256:${'a'.repeat(64)}`],
    ['', undefined],
  ])('of a container that was created from "%s" say %s', (image, expected) => {
    expect(toRuntimeEvent('/containers/create', { id: 'c', image })).toMatchObject({ image: expected });
  });

  it.each([
    ['an exec that ended', '/tasks/exit', { container_id: 'c', id: 'exec-1' }],
    ["the CRI's record by config digest", '/images/create', { name: `sha256:${'a'.repeat(64)}` }],
    ['a topic that nobody asked for', '/namespaces/create', { name: 'x' }],
  ])('are no hint: %s', (_what, topic, fields) => {
    expect(toRuntimeEvent(topic, fields)).toBeUndefined();
  });
});
