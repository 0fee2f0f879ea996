/** What the ConfigMaps of the namespace come to: the newest text of each where it is good, else its last good one. */

import type { ConfigMapObject } from '../cluster/cluster.ts';
import type { Configuration, Mistake, ParsedConfiguration } from '../core/configuration.ts';
import type { ConfigMapText, LastGoodContent } from '../core/last-good.ts';
import { toConfigMapSource } from '../core/config-map-source.ts';
import { configurationKey, mergeTeams, type ParsedTeam, teamLabel } from '../core/team-image-sets.ts';

/** The configuration's two kinds of text; config/ has them. Never throw. */
export interface TextParsers {
  readonly main: (text: string, source: string) => ParsedConfiguration;
  readonly team: (text: string, source: string) => ParsedTeam;
}

/** A ConfigMap whose newest text, or a part of it, is not in force. */
export interface RefusedConfigMap {
  readonly source: string;
  readonly mistakes: readonly Mistake[];
  /** Whether sets of it are in force, from this text or from an older one. */
  readonly inForce: boolean;
}

export interface ConfigMapsLook {
  /** Undefined while no main configuration was ever good. The same object as before where nothing changed. */
  readonly configuration: Configuration | undefined;
  readonly warnings: readonly Mistake[];
  /** Why the main ConfigMap's newest state is not in force; undefined: it is. */
  readonly mainMistakes: readonly Mistake[] | undefined;
  readonly refusedTeams: readonly RefusedConfigMap[];
}

interface Good<Parsed> {
  readonly configMap: ConfigMapText;
  readonly parsed: Parsed;
}

type GoodMain = Good<ParsedConfiguration & { readonly ok: true }>;
type GoodTeam = Good<ParsedTeam & { readonly ok: true }>;
type InForce = readonly [main: GoodMain, ...teams: GoodTeam[]];

export class ConfigMapTexts {
  readonly #namespace: string;
  readonly #mainName: string;
  readonly #parsers: TextParsers;
  #main: GoodMain | undefined;
  #mainMistakes: readonly Mistake[] | undefined;
  #teams = new Map<string, GoodTeam>();
  #teamMistakes = new Map<string, readonly Mistake[]>();
  /** Of each ConfigMap the text that was refused, which need not be parsed at every event again. */
  #refusedTexts = new Map<string, { readonly text: string; readonly mistakes: readonly Mistake[] }>();
  #merged: { readonly of: InForce; readonly result: ReturnType<typeof mergeTeams> } | undefined;

  constructor(namespace: string, mainName: string, parsers: TextParsers) {
    this.#namespace = namespace;
    this.#mainName = mainName;
    this.#parsers = parsers;
  }

  /** `configmap stevedore/team-a`, for messages. */
  sourceOf(name: string): string {
    return toConfigMapSource(this.#namespace, name);
  }

  /** What was good before this process began; a text that this version cannot parse counts as none. */
  startFrom({ main, teams }: Pick<LastGoodContent, 'main' | 'teams'>): void {
    if (main !== undefined) {
      const parsed = this.#parsers.main(main.text, this.sourceOf(main.name));
      if (parsed.ok) this.#main = { configMap: main, parsed };
    }
    for (const team of teams) {
      const parsedTeam = this.#parsers.team(team.text, this.sourceOf(team.name));
      if (parsedTeam.ok) this.#teams.set(team.name, { configMap: team, parsed: parsedTeam });
    }
  }

  /** All ConfigMaps as they are now. */
  take(configMaps: readonly ConfigMapObject[]): void {
    this.#takeMain(configMaps.find(({ name }) => name === this.#mainName));
    const teams = configMaps.filter(
      ({ name, labels }) => name !== this.#mainName && labels[teamLabel.key] === teamLabel.value,
    );
    const known = this.#teams;
    this.#teams = new Map();
    this.#teamMistakes = new Map();
    // In one order whatever the list's, so that a change can be told from none.
    for (const team of teams.toSorted(byName)) this.#takeTeam(team, known.get(team.name));
    const names = new Set(configMaps.map(({ name }) => name));
    for (const name of this.#refusedTexts.keys()) if (!names.has(name)) this.#refusedTexts.delete(name);
  }

  look(): ConfigMapsLook {
    const mainMistakes = this.#mainMistakes;
    const merged = this.#merge();
    const refused = new Map(this.#teamMistakes);
    for (const { name, mistakes } of merged?.refused ?? []) {
      refused.set(name, [...(refused.get(name) ?? []), ...mistakes]);
    }
    return {
      configuration: merged?.configuration,
      warnings: this.#main?.parsed.warnings ?? [],
      mainMistakes,
      refusedTeams: [...refused].map(([name, mistakes]) => ({
        source: this.sourceOf(name),
        mistakes,
        inForce: this.#teams.has(name),
      })),
    };
  }

  /** What is good now, to be kept. */
  get good(): Pick<LastGoodContent, 'main' | 'teams'> {
    return {
      main: this.#main?.configMap,
      teams: [...this.#teams.values()].map(({ configMap }) => configMap),
    };
  }

  #takeMain(configMap: ConfigMapObject | undefined): void {
    if (configMap === undefined) {
      this.#mainMistakes = [toMistake('the ConfigMap does not exist')];
      return;
    }
    const taken = this.#parse<GoodMain['parsed']>(configMap, this.#main, this.#parsers.main);
    if (taken.ok) this.#main = taken.good;
    this.#mainMistakes = taken.ok ? undefined : taken.mistakes;
  }

  #takeTeam(configMap: ConfigMapObject, known: GoodTeam | undefined): void {
    // One that was deleted and made again is another one.
    const last = known?.configMap.uid === configMap.uid ? known : undefined;
    const taken = this.#parse<GoodTeam['parsed']>(configMap, last, this.#parsers.team);
    const good = taken.ok ? taken.good : last;
    if (good !== undefined) this.#teams.set(configMap.name, good);
    if (!taken.ok) this.#teamMistakes.set(configMap.name, taken.mistakes);
  }

  /** The same object for what is the same, so that a change can be told from none. */
  #parse<Parsed extends { readonly ok: true }>(
    configMap: ConfigMapObject,
    last: Good<Parsed> | undefined,
    parse: (text: string, source: string) => Parsed | { readonly ok: false; readonly mistakes: readonly Mistake[] },
  ) {
    const { name, uid, createdAt, text } = configMap;
    const fail = (mistakes: readonly Mistake[]) => ({ ok: false, mistakes }) as const;
    if (text === undefined) return fail([toMistake(`the ConfigMap has no key ${configurationKey} in its data`)]);
    if (last?.configMap.text === text) {
      this.#refusedTexts.delete(name);
      const isSame = last.configMap.uid === uid && last.configMap.createdAt === createdAt;
      return { ok: true, good: isSame ? last : { ...last, configMap: { name, uid, createdAt, text } } } as const;
    }
    const refused = this.#refusedTexts.get(name);
    if (refused?.text === text) return fail(refused.mistakes);
    const parsed = parse(text, this.sourceOf(name));
    if (!parsed.ok) {
      this.#refusedTexts.set(name, { text, mistakes: parsed.mistakes });
      return fail(parsed.mistakes);
    }
    this.#refusedTexts.delete(name);
    return { ok: true, good: { configMap: { name, uid, createdAt, text }, parsed } } as const;
  }

  #merge(): ReturnType<typeof mergeTeams> | undefined {
    if (this.#main === undefined) return undefined;
    const inForce: InForce = [this.#main, ...this.#teams.values()];
    const last = this.#merged;
    if (last?.of.length === inForce.length && last.of.every((one, index) => one === inForce[index])) return last.result;
    const teams = [...this.#teams.values()].map(({ configMap, parsed }) => ({ ...configMap, parsed }));
    const result = mergeTeams(this.#main.parsed, teams);
    this.#merged = { of: inForce, result };
    return result;
  }
}

function byName(a: ConfigMapObject, b: ConfigMapObject): number {
  return a.name < b.name ? -1 : 1;
}

/** One of a whole ConfigMap. */
function toMistake(rule: string): Mistake {
  return { path: '', value: undefined, rule, line: undefined };
}
