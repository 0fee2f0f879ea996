import { describe, expect, it } from 'vitest';

import { toChainIds } from '../../../agent/core/layers.ts';
import { type Answer, json, startDockerDaemon } from './docker-daemon.ts';

const never = new AbortController().signal;

interface Image {
  readonly id: string;
  /** Diff ids, base first, as one character each. */
  readonly layers: string;
  readonly bytes: number;
  /** Oldest first; undefined: dockerd refuses. */
  readonly history: readonly (readonly [bytes: number, createdBy: string, stepId?: string])[] | undefined;
}

function toDigest(character: string): string {
  return `sha256:${character.repeat(64)}`;
}

function diffIds(layers: string): string[] {
  return [...layers].map(toDigest);
}

function answersOf(images: readonly Image[], steps: Readonly<Record<string, string>> = {}): Record<string, Answer> {
  const inspection = (layers: string): Answer => json({ Id: 'x', RootFS: { Layers: diffIds(layers) } });
  const toHistory = ({ id, history }: Image): Answer =>
    history === undefined
      ? json({ message: 'too many non-empty layers in History section' }, 500)
      : json(
          history
            .map(([Size, CreatedBy, Id = '<missing>'], at) => ({
              Size,
              CreatedBy,
              Id: at === history.length - 1 ? id : Id,
            }))
            .toReversed(),
        );
  return {
    'GET /images/json': json(images.map(({ id, bytes }) => ({ Id: id, Size: bytes }))),
    ...Object.fromEntries(images.map((image) => [`GET /images/${image.id}/json`, inspection(image.layers)])),
    ...Object.fromEntries(images.map((image) => [`GET /images/${image.id}/history`, toHistory(image)])),
    ...Object.fromEntries(Object.entries(steps).map(([id, layers]) => [`GET /images/${id}/json`, inspection(layers)])),
  };
}

/** Bytes of the layers of each image. */
async function sizesOf(images: readonly Image[], steps: Readonly<Record<string, string>> = {}) {
  await using docker = await startDockerDaemon(answersOf(images, steps));
  const parts = await docker.runtime.listImageParts(never);
  return images.map(({ id }) => parts.get(id)?.map(({ bytes }) => bytes));
}

const a = toDigest('a');
const nop = (step: string): string => `/bin/sh -c #(nop) ${step}`;

describe('the parts of an image', () => {
  it('are its layers by chain id, with the sizes of the steps that made them', async () => {
    const history = [
      [700, 'ADD rootfs.tar / # buildkit'],
      [0, 'ENV A=1'],
      [50, 'COPY app / # buildkit'],
      [0, 'CMD ["app"]'],
    ] as const;
    await using docker = await startDockerDaemon(answersOf([{ id: a, layers: '12', bytes: 750, history }]));

    const [base, top] = toChainIds(diffIds('12'));
    expect(await docker.runtime.listImageParts(never)).toEqual(
      new Map([
        [
          a,
          [
            { key: base, store: 'layer', bytes: 700, inodes: 0 },
            { key: top, store: 'layer', bytes: 50, inodes: 0 },
          ],
        ],
      ]),
    );
  });

  it('are asked once for each image, and again when it was gone and is back', async () => {
    const image: Image = { id: a, layers: '1', bytes: 5, history: [[5, 'ADD']] };
    const other: Image = { ...image, id: toDigest('b') };
    let listed = [image, other];
    await using docker = await startDockerDaemon({
      ...answersOf([image, other]),
      'GET /images/json': (...all) => json(listed.map(({ id, bytes }) => ({ Id: id, Size: bytes })))(...all),
    });
    const asked = () => docker.requests.filter((request) => request === `GET /images/${a}/history`).length;

    await docker.runtime.listImageParts(never);
    await docker.runtime.listImageParts(never);
    expect(asked()).toBe(1);
    listed = [other];
    expect((await docker.runtime.listImageParts(never)).size).toBe(1);
    listed = [image, other];
    await docker.runtime.listImageParts(never);
    expect(asked()).toBe(2);
  });

  it('leave out an image that went in between, and one that dockerd cannot read', async () => {
    const image: Image = { id: a, layers: '1', bytes: 5, history: [[5, 'ADD']] };
    await using docker = await startDockerDaemon({
      ...answersOf([image]),
      'GET /images/json': json([a, 'gone', 'broken'].map((Id) => ({ Id, Size: 5 }))),
      'GET /images/broken/json': json({ message: 'no config' }, 500),
    });

    expect([...(await docker.runtime.listImageParts(never)).keys()]).toEqual([a]);
    expect((await docker.runtime.listLayers(never)).chainIds.size).toBe(1);
  });
});

describe('the bytes of a layer', () => {
  it.each<[string, string, Image['history'], number[]]>([
    [
      'BuildKit: every step that can write files makes a layer, also without a byte',
      '1234567',
      [
        [1982, 'base'],
        [0, 'ENV A=1'],
        [0, 'WORKDIR /app'],
        [300, 'COPY a.txt /app/ # buildkit'],
        [0, 'LABEL x=y'],
        [6, 'RUN /bin/sh -c echo hello > /app/b.txt # buildkit'],
        [0, 'RUN /bin/sh -c true # buildkit'],
        [0, 'COPY empty /e # buildkit'],
        [0, 'RUN /bin/sh -c true # buildkit'],
        [0, 'CMD ["/bin/true"]'],
      ],
      [1982, 0, 300, 6, 0, 0, 0],
    ],
    [
      'classic builder, pulled: a folder made by WORKDIR is a layer',
      '123',
      [
        [900, nop('ADD file:1 in / ')],
        [0, nop(' CMD ["sh"]')],
        [0, nop('WORKDIR /app')],
        [40, nop('COPY file:2 in /app/ ')],
        [0, nop(' ENTRYPOINT ["x"]')],
      ],
      [900, 0, 40],
    ],
    ['an import or commit: one step, one layer', '1', [[123, '']], [123]],
    [
      'a squashed image: the last step holds all',
      '1',
      [
        [0, 'RUN a'],
        [0, 'RUN b'],
        [77, 'merge'],
      ],
      [77],
    ],
    [
      'as many steps as layers, some of them empty',
      '123',
      [
        [0, 'x'],
        [5, 'y'],
        [0, 'ENV z=1'],
      ],
      [0, 5, 0],
    ],
  ])('is that of its step: %s', async (_, layers, history, expected) => {
    const bytes = expected.reduce((sum, one) => sum + one, 0);
    expect(await sizesOf([{ id: a, layers, bytes, history }])).toEqual([expected]);
  });

  it('asks the images of the steps where the classic builder made them here', async () => {
    const [base, workdir, copy, run] = [toDigest('w'), toDigest('x'), toDigest('y'), toDigest('z')] as const;
    const history: Image['history'] = [
      [900, nop('ADD'), base],
      [0, nop('WORKDIR /exists'), workdir],
      [40, nop('COPY'), copy],
      [0, '/bin/sh -c mkdir /new', run],
      [7, nop('COPY')],
    ];
    const steps = { [base]: '1', [workdir]: '1', [copy]: '12', [run]: '123' };

    expect(await sizesOf([{ id: a, layers: '1234', bytes: 947, history }], steps)).toEqual([[900, 40, 0, 7]]);
  });

  it('is that of the same layer in another image where the history cannot be read; the topmost unknown one takes the rest', async () => {
    const known: Image = {
      id: a,
      layers: '12',
      bytes: 110,
      history: [
        [100, 'ADD'],
        [10, 'COPY'],
      ],
    };
    const unclear: Image = { id: toDigest('b'), layers: '134', bytes: 177, history: undefined };
    const short: Image = { id: toDigest('c'), layers: '125', bytes: 120, history: [[120, 'bazel']] };

    expect(await sizesOf([unclear, known, short])).toEqual([
      [100, 0, 77],
      [100, 10],
      [100, 10, 10],
    ]);
  });

  it('adds up to the size of the image whatever the history says', async () => {
    const odd: Image[] = [
      {
        id: toDigest('1'),
        layers: '12',
        bytes: 1000,
        history: [
          [100, 'ADD'],
          [300, 'COPY'],
        ],
      },
      {
        id: toDigest('2'),
        layers: '12',
        bytes: 10,
        history: [
          [100, 'ADD'],
          [300, 'COPY'],
        ],
      },
      {
        id: toDigest('3'),
        layers: '34',
        bytes: 9,
        history: [
          [0, 'ADD'],
          [0, 'COPY'],
        ],
      },
      { id: toDigest('4'), layers: '567', bytes: 9, history: [] },
      { id: toDigest('5'), layers: '12', bytes: 3, history: undefined },
      { id: toDigest('7'), layers: '129', bytes: 3, history: undefined },
      {
        id: toDigest('6'),
        layers: '8',
        bytes: 6,
        history: [
          [1, 'a'],
          [2, 'b'],
          [3, 'c'],
        ],
      },
    ];

    const sizes = await sizesOf(odd);
    expect(sizes.map((of) => of?.reduce((sum, bytes) => sum + bytes, 0))).toEqual(odd.map(({ bytes }) => bytes));
    expect(sizes.flat().every((bytes) => bytes !== undefined && bytes >= 0)).toBe(true);
  });

  it('is none of an image without layers', async () => {
    expect(await sizesOf([{ id: a, layers: '', bytes: 0, history: [[0, 'LABEL a=b']] }])).toEqual([[]]);
  });
});
