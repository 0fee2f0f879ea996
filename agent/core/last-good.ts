/** What was last in force of the cluster's configuration and Node, as text. Pure; work/last-good.ts keeps it on disk. */

import {
  type CheckedFormat,
  parseCheckedText,
  toCheckedText,
  toFields,
  toList,
  toText,
  toTime,
  toTimestamp,
} from './checked-text.ts';
import { type NodeState, type NodeTaint } from './node-state.ts';

export interface ConfigMapText {
  readonly name: string;
  readonly uid: string;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly text: string;
}

/** Conditions are left out: a pressure that was there then says nothing of now. */
export type LastGoodNode = Omit<NodeState, 'conditions'>;

export interface LastGoodContent {
  readonly nodeName: string;
  /** Of the ConfigMaps. */
  readonly namespace: string;
  readonly main: ConfigMapText | undefined;
  readonly teams: readonly ConfigMapText[];
  readonly node: LastGoodNode | undefined;
}

export interface LastGood extends LastGoodContent {
  /** Epoch ms. */
  readonly savedAt: number;
}

const lastGoodFormat: CheckedFormat = {
  format: 'stevedore-last-good',
  version: '1.0',
  what: 'a last good configuration of Stevedore',
};

export function toLastGoodText({ savedAt, nodeName, namespace, main, teams, node }: LastGood): string {
  return toCheckedText(lastGoodFormat, {
    savedAt: toTimestamp(savedAt),
    nodeName,
    namespace,
    ...(main === undefined ? {} : { main: toWritten(main) }),
    teams: teams.map(toWritten),
    ...(node === undefined ? {} : { node }),
  });
}

function toWritten({ name, uid, createdAt, text }: ConfigMapText) {
  return { name, uid, createdAt: toTimestamp(createdAt), text };
}

export type ParsedLastGood =
  | { readonly ok: true; readonly lastGood: LastGood }
  /** `why`: for people. */
  | { readonly ok: false; readonly why: string };

export function parseLastGood(text: string): ParsedLastGood {
  try {
    const { savedAt, nodeName, namespace, main, teams, node } = parseCheckedText(lastGoodFormat, text);
    return {
      ok: true,
      lastGood: {
        savedAt: toTime(savedAt, 'savedAt'),
        nodeName: toText(nodeName, 'nodeName'),
        namespace: toText(namespace, 'namespace'),
        main: main === undefined ? undefined : toConfigMap(main, 'main'),
        teams: toList(teams, 'teams').map((team, index) => toConfigMap(team, `teams[${index}]`)),
        node: node === undefined ? undefined : toNode(node),
      },
    };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

function toConfigMap(value: unknown, what: string): ConfigMapText {
  const { name, uid, createdAt, text } = toFields(value, what);
  return {
    name: toText(name, `${what}.name`),
    uid: toText(uid, `${what}.uid`),
    createdAt: toTime(createdAt, `${what}.createdAt`),
    text: toText(text, `${what}.text`),
  };
}

function toNode(value: unknown): LastGoodNode {
  const { name, uid, labels, annotations, taints, unschedulable, containerRuntimeVersion } = toFields(value, 'node');
  return {
    name: toText(name, 'node.name'),
    uid: toText(uid, 'node.uid'),
    labels: toTexts(labels, 'node.labels'),
    annotations: toTexts(annotations, 'node.annotations'),
    taints: toList(taints, 'node.taints').map((taint, index) => toTaint(taint, `node.taints[${index}]`)),
    unschedulable: unschedulable === true,
    containerRuntimeVersion: toOptionalText(containerRuntimeVersion, 'node.containerRuntimeVersion'),
  };
}

function toTaint(value: unknown, what: string): NodeTaint {
  const { key, value: taintValue, effect } = toFields(value, what);
  return {
    key: toText(key, `${what}.key`),
    value: toOptionalText(taintValue, `${what}.value`),
    effect: toText(effect, `${what}.effect`),
  };
}

function toTexts(value: unknown, what: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(toFields(value, what)).map(([key, text]) => [key, toText(text, `${what}.${key}`)]),
  );
}

function toOptionalText(value: unknown, what: string): string | undefined {
  return value === undefined ? undefined : toText(value, what);
}
