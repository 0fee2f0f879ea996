import { type SignatureVerdict, selectArtifacts, signatureKey, type Selection } from '../core/artifact-selection.ts';
import type { WantedPattern } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import type { ResolvedPattern } from '../core/resolution.ts';
import type { Harbor, HarborArtifact } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { type PatternContent, readContent } from './pattern-content.ts';
import { type ProjectBook, projectOf } from './project-book.ts';
import { toResolvedFailure } from './resolved-parts.ts';
import { callWithinMs, type Round } from './round.ts';
import { SignatureBook } from './signature-book.ts';
import { within } from './time-limit.ts';

export interface PatternResolverParts {
  readonly source: Pick<ImageSource, 'readSignatures'>;
  readonly harbor: Pick<Harbor, 'hasProject' | 'listRepositories' | 'listArtifacts' | 'readArtifact'>;
  readonly projects: ProjectBook;
  readonly log: Logger;
}

export interface PatternFound {
  readonly record: ResolvedPattern;
  /** What the members' tags point to, as Harbor lists it. */
  readonly digests: ReadonlyMap<string, string>;
}

/** For people; the plan says how many there are. */
const mostExcluded = 20;
/** Each costs some requests; what is beyond waits for the next round, and is not taken before. */
const mostSignatureLooks = 400;

/** What repository patterns take out of Harbor's projects. */
export class PatternResolver {
  readonly #parts: PatternResolverParts;
  readonly #signatures: SignatureBook;

  constructor(parts: PatternResolverParts) {
    this.#parts = parts;
    this.#signatures = new SignatureBook(parts);
  }

  /** Rejects only with an abort. */
  async resolve(
    wanted: WantedPattern,
    before: ResolvedPattern | undefined,
    round: Round,
    signal: AbortSignal,
  ): Promise<PatternFound> {
    const content = await readContent(wanted, this.#parts, signal);
    const selected = await this.#select(wanted, content, before, signal);
    const kept: string[] = [];
    let failure = content.failure ?? selected.failure;
    const answered = new Set([
      ...selected.selection.members.map(({ reference }) => reference),
      ...selected.selection.excluded.map(({ reference }) => reference),
    ]);
    for (const reference of before?.members ?? []) {
      if (answered.has(reference)) continue;
      try {
        if (!(await this.#isGone(reference, content, round, signal))) kept.push(reference);
      } catch (error) {
        signal.throwIfAborted();
        failure ??= Failure.from(error);
        kept.push(reference);
      }
    }
    const { members, excluded } = selected.selection;
    if (failure !== undefined && before?.failure?.message !== failure.message) {
      const { code, detail, message } = failure;
      const { registry, project, repository } = wanted.pattern;
      const pattern = `${registry}/${project}/${repository}`;
      this.#parts.log.warn({ pattern, code, detail, error: message }, 'repository pattern not wholly resolved');
    }
    return {
      record: {
        key: wanted.key,
        members: [...new Set([...members.map(({ reference }) => reference), ...kept])].toSorted(),
        excluded: excluded.slice(0, mostExcluded),
        excludedCount: excluded.length,
        ...(failure === undefined ? {} : { failure: toResolvedFailure(failure) }),
      },
      digests: new Map(members.map(({ reference, digest }) => [reference, digest])),
    };
  }

  /** Chooses, looks at the signatures of what was chosen, and chooses again without what is not signed. */
  async #select(
    { pattern, platforms }: WantedPattern,
    { contents, projects }: PatternContent,
    before: ResolvedPattern | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly selection: Selection<HarborArtifact>; readonly failure: Failure | undefined }> {
    const verdicts = new Map<string, SignatureVerdict>();
    const passed = new Set<string>();
    let failure: Failure | undefined;
    let selection = selectArtifacts(pattern, contents, verdicts);
    if (pattern.signed === undefined && pattern.signedBy.length === 0) return { selection, failure };
    for (let looks = 0; ; ) {
      const open = selection.members.filter(({ reference, artifact }) => !passed.has(keyOf(reference, artifact)));
      if (open.length === 0) return { selection, failure };
      for (const { reference, artifact } of open) {
        const key = keyOf(reference, artifact);
        const project = projects.get(projectOf(parseReference(reference).repository) ?? '');
        let verdict: SignatureVerdict | undefined = notLookedAt;
        if (project !== undefined && looks < mostSignatureLooks) {
          looks += 1;
          const { login } = project;
          try {
            const signed = { login, project: project.project.name, artifact, platforms };
            verdict = await this.#signatures.check(pattern, signed, signal);
          } catch (error) {
            signal.throwIfAborted();
            failure ??= Failure.from(error);
            // What was taken with this signature before is not dropped because nobody answers now.
            verdict = before?.members.includes(reference) ? undefined : unreadable(Failure.from(error));
          }
        }
        if (verdict === undefined) passed.add(key);
        else verdicts.set(key, verdict);
      }
      selection = selectArtifacts(pattern, contents, verdicts);
    }
  }

  /** Certain only where the project is there, may be read, and its content answered. @throws Failure */
  async #isGone(reference: string, content: PatternContent, round: Round, signal: AbortSignal): Promise<boolean> {
    const { repository, ...parsed } = parseReference(reference);
    const name = projectOf(repository) ?? '';
    const known = content.projects.get(name);
    if (known === undefined || content.silent.has(name) || content.silent.has(repository)) return false;
    const { login, project } = known;
    try {
      if (project.upstreamId !== undefined) {
        // Harbor lists what it has cached, and forgets that by its retention: only the upstream knows what is gone.
        const proxied = { ...parsed, repository };
        await round.headThroughProxy(`${parsed.registry}/${name}`, proxied, login.credentials, signal);
      } else {
        const below = repository.slice(name.length + 1);
        await within(callWithinMs, signal, (limited) =>
          this.#parts.harbor.readArtifact(login, name, below, parsed.tag ?? '', limited),
        );
      }
      return false;
    } catch (error) {
      signal.throwIfAborted();
      const failure = Failure.from(error);
      if (failure.code === 'not_found' && failure.detail === undefined) return true;
      throw failure;
    }
  }
}

const notLookedAt: SignatureVerdict = { reason: 'not_signed', message: 'its signatures were not looked at yet' };

function unreadable({ message }: Failure): SignatureVerdict {
  return { reason: 'not_signed', message: `its signatures cannot be read: ${message}` };
}

function keyOf(reference: string, { digest }: HarborArtifact): string {
  return signatureKey(parseReference(reference).repository, digest);
}
