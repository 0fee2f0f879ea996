import { expect, test } from 'vitest';
import { createHostFiles } from '../../../agent/doctor/host-files.ts';
import { checkMirrors } from '../../../agent/doctor/mirror-check.ts';
import { findingsOf, makeHost, toLine } from './findings.ts';

const folder = '/etc/containerd/certs.d';
const file = `${folder}/docker.io/hosts.toml`;

async function check(text: string | undefined, more: Record<string, string> = {}) {
  const files = { ...(text === undefined ? {} : { [file.slice(1)]: text }), ...more };
  const host = createHostFiles(await makeHost(files));
  const found = await findingsOf((tell) => checkMirrors(host, [folder], tell));
  return { lines: found.map(toLine), advice: found.map(({ advice }) => advice) };
}

test('no folder, no file and an empty file are no mirrors', async () => {
  const none = [`ok registry_mirrors ${folder}: there is no hosts.toml: no mirrors`];
  expect((await check(undefined)).lines).toEqual(none);
  expect((await check('')).lines).toEqual(none);
  expect((await check(undefined, { 'etc/containerd/certs.d/h/ca.crt': 'x' })).lines).toEqual(none);
});

test('an address with a path needs override_path, unless it ends in /v2', async () => {
  const wrong = await check('server = "https://up"\n[host."https://h.example/v2/proxy"]\n');
  expect(wrong.lines).toEqual([
    `failure registry_mirrors ${file}: https://h.example/v2/proxy has a path but no override_path = true: containerd appends /v2 to it, and Harbor answers with its web page`,
  ]);
  expect(wrong.advice).toEqual(['add override_path = true below [host."https://h.example/v2/proxy"]']);
  for (const text of [
    '[host."https://h.example/v2/proxy"]\noverride_path = true\n',
    '[host."https://h.example"]\n',
    '[host."https://h.example/"]\n',
    '[host."https://h.example/v2"]\n',
    '[host."https://h.example/v2/"]\n',
  ]) {
    expect([text, (await check(text)).lines]).toEqual([text, [expect.stringMatching(/^ok registry_mirrors/)]]);
  }
});

test('server is an address like the others, and may have no scheme', async () => {
  expect((await check('server = "https://h.example/v2/proxy"')).lines).toEqual([
    expect.stringMatching(/^failure .*h\.example\/v2\/proxy has a path/),
  ]);
  expect((await check('server = "h.example/v2/proxy"')).lines).toEqual([expect.stringMatching(/^failure /)]);
  expect((await check('server = "https://h.example/v2/proxy"\noverride_path = true')).lines).toEqual([
    `ok registry_mirrors ${file}: https://h.example/v2/proxy`,
  ]);
});

test('without a server the registry itself comes last, which is said', async () => {
  expect((await check('[host."https://h.example"]\n[host."https://i.example"]')).lines).toEqual([
    `ok registry_mirrors ${file}: https://h.example, https://i.example, then the registry itself`,
  ]);
});

test('a ca that is not there or no certificate fails pulls; relative ones begin at the file', async () => {
  const pem = '-----BEGIN CERTIFICATE-----\n';
  const text = 'server = "https://h"\nca = "ca.crt"\n[host."https://h"]\nca = ["/etc/other.crt"]';
  expect((await check(text, { 'etc/other.crt': 'nonsense' })).lines).toEqual([
    `failure registry_mirrors ${file}: ca /etc/other.crt holds no certificate in PEM: containerd fails every pull that would use it`,
    `failure registry_mirrors ${file}: ca ${folder}/docker.io/ca.crt is not there: containerd fails every pull that would use it`,
  ]);
  const there = { 'etc/other.crt': pem, 'etc/containerd/certs.d/docker.io/ca.crt': pem };
  expect((await check(text, there)).lines).toEqual([expect.stringMatching(/^ok /)]);
});

test('what is not TOML is ignored by containerd, and told; the other files are looked at', async () => {
  const { lines } = await check('[host', { 'etc/containerd/certs.d/z.example/hosts.toml': 'server = "https://z"' });
  expect(lines).toEqual([
    expect.stringMatching(
      /^failure registry_mirrors \S+docker\.io\/hosts\.toml: is not TOML, and containerd ignores it: (?!\/)/,
    ),
    expect.stringMatching(/^ok registry_mirrors \S+z\.example/),
  ]);
});
