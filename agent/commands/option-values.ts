/** Parsing of what was given by option or environment variable: messages name which of them it was. */

import { resolve } from 'node:path';
import { errorMessage } from '../core/failure.ts';
import { InvalidReferenceError, parseReference, storedName } from '../core/image-reference.ts';
import type { Labels } from '../core/label-selector.ts';
import { labelKeyRule, labelValueRule } from '../core/label-syntax.ts';
import { toSocketPath } from '../runtime/endpoint.ts';
import type { Settings } from '../settings.ts';
import { UsageError } from './exit-codes.ts';

/** A value with the name by which the user gave it. An empty variable counts as not set, as manifests often leave it. */
export interface Given {
  readonly name: string;
  readonly value: string;
}

/** What was given under a name such as `node-name`: by option or, where there is none, by environment variable. */
export type FindGiven = (name: string, option: string | undefined) => Given | undefined;

export function createFindGiven(environment: NodeJS.ProcessEnv): FindGiven {
  return (name, option) => {
    if (option !== undefined) return { name: `--${name}`, value: option };
    const variable = `STEVEDORE_${name.toUpperCase().replaceAll('-', '_')}`;
    const set = environment[variable];
    return set === undefined || set === '' ? undefined : { name: variable, value: set };
  };
}

/** @throws UsageError naming option or variable, value and rule */
export function fail({ name, value }: Given, rule: string): never {
  throw new UsageError(`${name} ${JSON.stringify(value)}: ${rule}`);
}

export function parsePath(given: Given | undefined, fallback: string): string {
  if (given === undefined) return fallback;
  if (given.value === '' || given.value.includes('\0')) fail(given, 'must be a path');
  return resolve(given.value);
}

/** A name that Kubernetes lets an object have: a DNS subdomain (RFC 1123). */
export function parseObjectName(given: Given): string {
  const { value: name } = given;
  if (name.length > 253 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)) {
    fail(given, 'must be a DNS name in lower case');
  }
  return name;
}

/** @throws UsageError naming the choices */
export function parseChoice<T extends string>(given: Given, choices: readonly T[]): T {
  return choices.find((known) => known === given.value) ?? fail(given, `must be one of ${choices.join(', ')}`);
}

/** As a runtime stores it, so that it can be compared with what is there. */
export function parseOwnImage(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    return storedName(parseReference(given.value));
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) throw error;
    return fail(given, `must be an image reference: ${error.rule}`);
  }
}

export function parseEndpoint(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    toSocketPath(given.value);
  } catch (error) {
    throw new UsageError(`${given.name}: ${errorMessage(error)}`);
  }
  return given.value;
}

export function parseListen(given: Given): Settings['listen'] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(given.value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    fail(given, 'must be HOST:PORT, for example 127.0.0.1:9746, 0.0.0.0:9746 or [::1]:9746');
  }
  return { host, port };
}

export function parseLabelList(given: Given | undefined): Labels {
  if (given === undefined) return {};
  const pairs = given.value.split(',').map((pair) => pair.trim());
  return parseLabels(
    given.name,
    pairs.filter((pair) => pair !== ''),
  );
}

export function parseLabels(name: string, pairs: readonly string[]): Labels {
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    const split = pair.indexOf('=');
    if (split < 1) fail({ name, value: pair }, 'must be KEY=VALUE');
    const key = pair.slice(0, split);
    const value = pair.slice(split + 1);
    const rule = labelKeyRule(key) ?? labelValueRule(value);
    if (rule !== undefined) fail({ name, value: pair }, rule);
    labels[key] = value;
  }
  return labels;
}
