import type { Platform } from '../../../agent/core/platform.ts';
import type { SourceImage } from '../../../agent/registry/image-source.ts';
import { createOciRegistry } from '../../../agent/registry/oci-registry.ts';
import { FakeImageSource } from '../../fakes/fake-image-source.ts';
import { type FakeSourceImage, fakeSourceIndex, fakeSourceSingle } from '../../fakes/fake-source-image.ts';
import { HarborStub } from './harbor-stub.ts';
import { describeImageSource } from './image-source-contract.ts';
import { type BuiltSource, buildSourceIndex, buildSourceSingle, SourceRepository } from './source-images.ts';
import { StubServer } from './stub-server.ts';

const login = { username: 'robot$app+pull', password: 'secret' };

describeImageSource('fake', async () => {
  const source = new FakeImageSource();
  source.protect('private.example', login.username, login.password);
  const add = (reference: string, image: FakeSourceImage): SourceImage => {
    source.add(reference, image);
    return { digest: image.digest, isIndex: image.isIndex, platforms: image.children, missing: [] };
  };
  return {
    source,
    openHost: 'open.example',
    privateHost: 'private.example',
    login,
    pushIndex: async (reference, seed, platforms) => add(reference, fakeSourceIndex(seed, platforms)),
    pushSingle: async (reference, seed) => add(reference, fakeSourceSingle(seed)),
    sign: async (repository, digest, signature) => source.sign(repository, digest, signature),
    requests: () => source.count(),
    hold: () => source.faults.hold('*'),
    close: async () => {},
  };
});

describeImageSource('client, with Harbor as it answers on the wire', async () => {
  const open = await StubServer.start();
  const guarded = await StubServer.start();
  const harbor = new HarborStub(guarded, { login });
  const repository = new SourceRepository('app/web');
  open.use(repository.handler);
  guarded.use(harbor.protect(repository.handler));
  guarded.use(harbor.tokenService);
  const settings = { plainHTTP: true, insecureSkipVerify: false, caFile: undefined, tokenHosts: [], harbor: true };
  const source = createOciRegistry({
    registries: () => [
      { ...settings, host: open.host },
      { ...settings, host: guarded.host },
    ],
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const push = async (reference: string, image: BuiltSource): Promise<SourceImage> => {
    repository.push(reference.slice(reference.lastIndexOf(':') + 1), image);
    return image.source;
  };
  return {
    source,
    openHost: open.host,
    privateHost: guarded.host,
    login,
    pushIndex: (reference: string, seed: string, platforms: readonly Platform[]) =>
      push(reference, buildSourceIndex(seed, platforms)),
    pushSingle: (reference: string, seed: string) => push(reference, buildSourceSingle(seed)),
    sign: async (_, digest, signature) => repository.sign(digest, signature),
    requests: () => open.requests.length + guarded.requests.length,
    hold: () => open.hold(),
    close: async () => {
      await open.close();
      await guarded.close();
    },
  };
});
