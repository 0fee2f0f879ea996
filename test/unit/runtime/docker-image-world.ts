import { type Answer, json, lines } from './docker-daemon.ts';

export const imageId = `sha256:${'a'.repeat(64)}`;
export const otherId = `sha256:${'b'.repeat(64)}`;
export const digest = `sha256:${'d'.repeat(64)}`;
/** The only layer, so its chain id too. */
export const layer = `sha256:${'1'.repeat(64)}`;

interface WorldOptions {
  /** Default one tag and its digest. */
  readonly names?: readonly string[];
  /** Names of another image. */
  readonly otherNames?: readonly string[];
  /** What the containers at each look are made from; the last one holds for all later looks. Default: nothing. */
  readonly looks?: readonly (readonly string[])[];
  /** dockerd has not seen the container yet that the looks show, and deletes the image under it. */
  readonly blind?: boolean;
  /** The image stays without a name. */
  readonly keeps?: boolean;
  /** The layers stay although the image goes: somebody holds them. */
  readonly layersHeld?: boolean;
  /** Refused with 409. */
  readonly refuse?: (name: string) => boolean;
  /** What a pull of a digest name answers; default: nobody has it. */
  readonly pulled?: 'image' | 'other' | 'refused';
}

/** dockerd's graph driver with one image: the last tag of a repository takes its digests along, and the last name the image. */
export function imageWorld(options: WorldOptions = {}) {
  const names = new Set(options.names ?? ['h.io/x:1', `h.io/x@${digest}`]);
  const otherNames = new Set(options.otherNames ?? []);
  const state = { present: true, names, pulls: [] as { reference: string; user: string | undefined }[] };
  const looks = [...(options.looks ?? [[]])];
  let current = looks[0] ?? [];

  const inspect = (name: string): Answer => {
    const mine = state.present && (name === imageId || names.has(name));
    if (!mine && !otherNames.has(name)) return json({ message: 'No such image' }, 404);
    const all = mine ? [...names] : [...otherNames];
    return json({
      Id: mine ? imageId : otherId,
      RepoTags: all.filter((one) => !one.includes('@')),
      RepoDigests: all.filter((one) => one.includes('@')),
      RootFS: { Layers: [layer] },
    });
  };
  const remove = (name: string): Answer => {
    if (!state.present || (name !== imageId && !names.has(name))) return json({ message: 'No such image' }, 404);
    if (options.refuse?.(name) === true) return json({ message: 'conflict: container is using it' }, 409);
    names.delete(name);
    const repository = `${name.split(':')[0]}`;
    if (![...names].some((left) => left.startsWith(`${repository}:`))) names.delete(`${repository}@${digest}`);
    if (names.size > 0 || options.keeps === true || (current.includes(imageId) && options.blind !== true))
      return json([{ Untagged: name }]);
    state.present = false;
    const layers = options.layersHeld === true ? [] : [{ Deleted: layer }];
    return json([{ Untagged: name }, { Deleted: imageId }, ...layers]);
  };
  const pull: Answer = (response, request, url) => {
    const header = request.headers['x-registry-auth'];
    const auth: unknown = header === undefined ? {} : JSON.parse(Buffer.from(String(header), 'base64url').toString());
    const reference = `${url.searchParams.get('fromImage')}@${url.searchParams.get('tag')}`;
    state.pulls.push({ reference, user: (auth as { username?: string }).username });
    if (options.pulled === undefined || options.pulled === 'refused') {
      return json({ message: 'unauthorized: authentication required' }, 500)(response, request, url);
    }
    if (options.pulled === 'image') {
      state.present = true;
      names.add(reference);
    } else otherNames.add(reference);
    return lines({ status: 'Pulled' })(response, request, url);
  };

  const answers: Record<string, Answer> = {
    'GET /images/json': (...all) => {
      const RepoTags = [...names].filter((name) => !name.includes('@'));
      const RepoDigests = [...names].filter((name) => name.includes('@'));
      json(state.present ? [{ Id: imageId, RepoTags, RepoDigests, Size: 1 }] : [])(...all);
    },
    'GET /containers/json': (...all) => {
      current = looks.length > 1 ? (looks.shift() ?? []) : (looks[0] ?? []);
      return json(current.map((ImageID) => ({ Id: 'c1', ImageID })))(...all);
    },
    'POST /images/create': pull,
    [`POST /images/${imageId}/tag`]: (response, request, url) => {
      const name = `${url.searchParams.get('repo')}:${url.searchParams.get('tag')}`;
      otherNames.delete(name);
      names.add(name);
      json(undefined, 201)(response, request, url);
    },
  };
  /** Names come and go: every request is answered by what there is now. */
  const answerOf = (method: string, path: string): Answer | undefined => {
    const known = answers[`${method} ${path}`];
    if (known !== undefined) return known;
    if (method === 'DELETE') return remove(path.slice('/images/'.length));
    return path.endsWith('/json') ? inspect(path.slice('/images/'.length, -'/json'.length)) : undefined;
  };
  return { state, otherNames, answers, answerOf };
}
