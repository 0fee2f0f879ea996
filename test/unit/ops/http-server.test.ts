import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHealth, type Health, readinessChecks } from '../../../agent/ops/health.ts';
import { createHttpServer, type HttpServerParts } from '../../../agent/ops/http-server.ts';

let stopping: AbortController;
let health: Health;

beforeEach(() => {
  stopping = new AbortController();
  health = createHealth(60_000);
});
afterEach(() => stopping.abort());

async function serve(parts: Partial<HttpServerParts> = {}): Promise<string> {
  const metrics = { contentType: 'text/plain; version=0.0.4', render: () => Promise.resolve('up 1\n') };
  const server = createHttpServer({ listen: { host: '127.0.0.1', port: 0 }, health, metrics, ...parts });
  const { port } = await server.start(stopping.signal);
  return `http://127.0.0.1:${port}`;
}

async function ask(url: string, method = 'GET'): Promise<{ status: number; body: string; headers: Headers }> {
  const response = await fetch(url, { method });
  return { status: response.status, body: await response.text(), headers: response.headers };
}

describe('the HTTP port', () => {
  it('answers /readyz with 503 and the reasons until every check is good', async () => {
    const url = await serve();
    health.report('configuration', undefined);
    const early = await ask(`${url}/readyz`);
    expect(early.status).toBe(503);
    expect(early.body).toBe(
      '[+]configuration ok\n[-]runtime failed: the container runtime has not answered yet\n' +
        '[-]first_look failed: the node has not been looked at yet\nreadyz check failed\n',
    );
    for (const check of readinessChecks) health.report(check, undefined);
    expect(await ask(`${url}/readyz`)).toMatchObject({ status: 200, body: 'ok\n' });
    expect((await ask(`${url}/readyz?verbose`)).body).toBe(
      '[+]configuration ok\n[+]runtime ok\n[+]first_look ok\nreadyz check passed\n',
    );
  });

  it('listens on both families as [::]', async () => {
    const url = await serve({ listen: { host: '::', port: 0 } });
    expect(await ask(url)).toMatchObject({ status: 200 });
    expect(await ask(url.replace('127.0.0.1', '[::1]'))).toMatchObject({ status: 200 });
  });

  it('answers /livez without regard to readiness', async () => {
    expect(await ask(`${await serve()}/livez`)).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it('serves the metrics with their content type, never cached', async () => {
    const { status, body, headers } = await ask(`${await serve()}/metrics`);
    expect({ status, body }).toEqual({ status: 200, body: 'up 1\n' });
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('has an index, and 404 for everything else', async () => {
    const url = await serve();
    expect((await ask(`${url}/`)).body).toBe('Stevedore\n\n/livez\n/readyz\n/metrics\n');
    expect((await ask(`${url}/nope`)).status).toBe(404);
    expect((await ask(`${url}/v1/plan`)).status).toBe(404);
  });

  it('serves the plan where it is given one', async () => {
    const url = await serve({ plan: () => Promise.resolve({ version: 1 }) });
    expect(await ask(`${url}/v1/plan`)).toMatchObject({ status: 200, body: '{"version":1}\n' });
  });

  it('answers HEAD without a body and refuses to be written to', async () => {
    const url = await serve();
    const head = await ask(`${url}/metrics`, 'HEAD');
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.headers.get('content-length')).toBe('5');
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const refused = await ask(`${url}/metrics`, method);
      expect(refused.status).toBe(405);
      expect(refused.headers.get('allow')).toBe('GET, HEAD');
    }
  });

  it('answers 500 when the metrics cannot be had, and goes on', async () => {
    const url = await serve({
      metrics: { contentType: 'text/plain', render: () => Promise.reject(new Error('disk on fire')) },
    });
    expect(await ask(`${url}/metrics`)).toMatchObject({ status: 500, body: 'disk on fire\n' });
    expect((await ask(`${url}/livez`)).status).toBe(200);
  });

  it('answers 400 to a target that is none', async () => {
    const { port } = new URL(await serve());
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('GET //[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  it('names address and reason when it cannot listen', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await expect(serve({ listen: { host: '127.0.0.1', port } })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${port}: another process listens there`,
    );
    other.close();
  });

  it('lets go of port and connections when it is stopped', async () => {
    const url = await serve();
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    socket.on('error', () => undefined);
    stopping.abort();
    await closed;
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });
});
