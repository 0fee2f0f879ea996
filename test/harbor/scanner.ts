/** A vulnerability scanner for Harbor that finds what it is told (pluggable scanner specification 1.1). */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestScanner {
  readonly port: number;
  /** Result of the next scans: `None`, `High`, … */
  severity: string;
  stop(): Promise<void>;
}

const reportType = 'application/vnd.security.vulnerability.report; version=1.1';
const prefix = '/api/v1';
const itself = { name: 'stevedore-test', vendor: 'stevedore', version: '1' };

/** @param address to listen on */
export async function startScanner(address: string): Promise<TestScanner> {
  const scans = new Map<string, string>();
  const scanner = { severity: 'None' };
  const answer = async (method: string, path: string, body: () => Promise<string>): Promise<[number, unknown]> => {
    if (path === `${prefix}/metadata`) return [200, metadata];
    if (method === 'POST' && path === `${prefix}/scan`) {
      const { artifact } = JSON.parse(await body()) as { artifact: unknown };
      const id = randomUUID();
      scans.set(id, JSON.stringify(toReport(artifact, scanner.severity)));
      return [202, { id }];
    }
    const report = scans.get(path.slice(`${prefix}/scan/`.length).replace(/\/report$/, ''));
    return report === undefined ? [404, { error: { message: 'no such scan' } }] : [200, JSON.parse(report)];
  };
  const server = createServer((incoming, outgoing) => {
    answer(incoming.method ?? '', (incoming.url ?? '').split('?')[0] ?? '', () => readBody(incoming))
      .then(([status, body]) => {
        const type = status === 202 ? 'application/vnd.scanner.adapter.scan.response+json; version=1.1' : reportType;
        outgoing.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
      })
      .catch(() => outgoing.destroy());
  });
  server.listen(0, address);
  await once(server, 'listening');
  return Object.assign(scanner, {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close').catch(() => undefined);
    },
  });
}

const metadata = {
  scanner: itself,
  capabilities: [
    {
      type: 'vulnerability',
      consumes_mime_types: [
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.docker.distribution.manifest.v2+json',
      ],
      produces_mime_types: [reportType],
    },
  ],
  properties: {},
};

function toReport(artifact: unknown, severity: string) {
  const found = {
    id: `CVE-2026-${severity.length}`,
    package: 'busybox',
    version: '1.0',
    fix_version: '1.1',
    severity,
    description: 'made up',
    links: [],
  };
  const vulnerabilities = severity === 'None' ? [] : [found];
  return { generated_at: new Date().toISOString(), artifact, scanner: itself, severity, vulnerabilities };
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}
