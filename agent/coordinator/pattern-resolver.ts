import {
  type SignatureVerdict,
  selectArtifacts,
  signatureKey,
  type SelectedImage,
  type Selection,
} from '../core/artifact-selection.ts';
import type { WantedPattern } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import type { ExcludedImage, Resolutions, ResolvedPattern } from '../core/resolution.ts';
import type { Harbor, HarborArtifact } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { apiLane } from './breaker.ts';
import { isSameImage, type KnownMembers, toKnownMembers, withKnown } from './known-members.ts';
import { type PatternContent, readContent } from './pattern-content.ts';
import { type ProjectBook, projectOf } from './project-book.ts';
import { toResolvedFailure } from './resolved-parts.ts';
import type { Round } from './round.ts';
import { SignatureBook } from './signature-book.ts';
import { takeNewest, toRankedMember } from './unlisted-members.ts';

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
  /** When they were pushed, as Harbor lists it, epoch ms. */
  readonly pushedAt: ReadonlyMap<string, number>;
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

  /** @param all what was known before, of this pattern and its members. Rejects only with an abort. */
  async resolve(wanted: WantedPattern, all: Resolutions, round: Round, signal: AbortSignal): Promise<PatternFound> {
    const { pattern } = wanted;
    const before = all.patterns.get(wanted.key);
    const known = toKnownMembers(before, all);
    const listed = await readContent(wanted, this.#parts, round, signal);
    const { contents, kept } = withKnown(pattern, listed.contents, known);
    const content = { ...listed, contents };
    const { selection, ...selected } = await this.#select(wanted, content, known, round, signal);
    let failure = content.failure ?? selected.failure;
    const answered = new Set([...selection.members, ...selection.excluded].map(({ reference }) => reference));
    const unlisted = (before?.members ?? []).filter((reference) => !answered.has(reference));
    const pushedAt = new Map(selection.members.map((member) => [member.reference, pushedAtOf(member)]));
    const candidates = [
      ...selection.members.map(({ reference }) => toRankedMember(reference, pushedAt.get(reference), true)),
      ...unlisted.map((reference) => toRankedMember(reference, known.get(reference)?.pushedAt, false)),
    ];
    const ranked = await takeNewest(pattern.tags, candidates, async (reference) => {
      try {
        return !(await this.#isGone(reference, content, round, signal));
      } catch (error) {
        signal.throwIfAborted();
        failure ??= Failure.from(error);
        return true;
      }
    });
    const members = ranked.members.map(({ reference }) => reference).toSorted();
    const older = ranked.older.map(({ reference }): ExcludedImage => {
      return { reference, reason: 'older', message: `${pattern.tags.newest} newer ones are taken` };
    });
    const excluded = [...older.toSorted(byReference), ...selection.excluded];
    const stay = members.flatMap((reference) => kept.get(reference) ?? []);
    this.#say(wanted, before, failure, stay);
    return {
      record: {
        key: wanted.key,
        members,
        excluded: excluded.slice(0, mostExcluded),
        excludedCount: excluded.length,
        ...(stay.length === 0 ? {} : { kept: stay.slice(0, mostExcluded) }),
        ...(failure === undefined ? {} : { failure: toResolvedFailure(failure) }),
      },
      digests: new Map(selection.members.map(({ reference, digest }) => [reference, digest])),
      pushedAt,
    };
  }

  #say(
    { pattern: { registry, project, repository } }: WantedPattern,
    before: ResolvedPattern | undefined,
    failure: Failure | undefined,
    kept: readonly ExcludedImage[],
  ): void {
    const { log } = this.#parts;
    const pattern = `${registry}/${project}/${repository}`;
    if (failure !== undefined && before?.failure?.message !== failure.message) {
      const { code, detail, message } = failure;
      log.warn({ pattern, code, detail, error: message }, 'repository pattern not wholly resolved');
    }
    if (kept.length > 0 && before?.kept === undefined) {
      log.info(
        { pattern, images: kept.length },
        'images stay by their last finished scan while Harbor has no newer one',
      );
    }
  }

  /** Chooses, looks at the signatures of what was chosen, and chooses again without what is not signed. */
  async #select(
    { pattern, platforms }: WantedPattern,
    { contents, projects }: PatternContent,
    known: KnownMembers,
    { breaker }: Round,
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
          const { login, project: of } = project;
          const isProxied = of.upstreamId !== undefined;
          try {
            const signed = { breaker, login, project: of.name, isProxied, artifact, platforms };
            verdict = await this.#signatures.check(pattern, signed, signal);
          } catch (error) {
            signal.throwIfAborted();
            failure ??= Failure.from(error);
            // What was taken with this signature before is not dropped because nobody answers now.
            verdict = isSameImage(artifact, known.get(reference)) ? undefined : unreadable(Failure.from(error));
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
        await round.headThroughProxy(proxied, login.credentials, signal);
      } else {
        const below = repository.slice(name.length + 1);
        await round.breaker.ask(apiLane(parsed.registry), signal, (limited) =>
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

function pushedAtOf({ reference, artifact }: SelectedImage<HarborArtifact>): number {
  const { tag } = parseReference(reference);
  return artifact.tags.find(({ name }) => name === tag)?.pushedAt ?? artifact.pushedAt;
}

function byReference(a: ExcludedImage, b: ExcludedImage): number {
  return a.reference < b.reference ? -1 : 1;
}

function keyOf(reference: string, { digest }: HarborArtifact): string {
  return signatureKey(parseReference(reference).repository, digest);
}
