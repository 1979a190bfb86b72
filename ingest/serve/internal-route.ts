import type { ServerResponse } from 'node:http';
import { isSignedRequest } from '../../crds/internal-request.ts';
import { INTERNAL_PATHS, type PodReport } from '../../crds/pod-status.ts';
import { type Route, sendJson } from './http-server.ts';
import type { PodReports } from './pod-reports.ts';

/** Operators that follow at once: two replicas, and those of an upgrade. */
const MAX_READERS = 8;
/** Bytes that may wait for one of them; it connects again and is told all. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

/** `/internal/v1/…`: what the operator asks a pod, signed with the key of the pool. `relayKey` is undefined while it is not known. */
export function internalRoute(
  reports: PodReports,
  finishedTombstones: () => readonly string[],
  relayKey: () => string | undefined,
): Route {
  const readers = new Set<ServerResponse>();
  const prefix = INTERNAL_PATHS.status.slice(0, INTERNAL_PATHS.status.lastIndexOf('/') + 1);
  return (request, response, url) => {
    if (!url.pathname.startsWith(prefix)) return false;
    const key = relayKey();
    const { method = 'GET', headers } = request;
    const target = url.pathname + url.search;
    if (key === undefined || !isSignedRequest(key, method, target, Date.now() / 1000, headers.authorization)) {
      sendJson(response, 401, { code: 'ERR_INTERNAL_UNSIGNED', message: 'this is for the operator of the pool' });
      return true;
    }
    if (method !== 'GET') {
      sendJson(response, 405, { code: 'ERR_HTTP_METHOD', message: 'only GET' });
      return true;
    }
    switch (url.pathname) {
      case INTERNAL_PATHS.status:
        sendJson(response, 200, reports.all());
        return true;
      case INTERNAL_PATHS.tombstones:
        sendJson(response, 200, { done: finishedTombstones() });
        return true;
      case INTERNAL_PATHS.events:
        if (readers.size >= MAX_READERS) {
          sendJson(response, 503, { code: 'ERR_API_BUSY', message: 'too many operators read the events' });
          return true;
        }
        readers.add(response);
        follow(reports, response, () => readers.delete(response));
        return true;
      default:
        return false;
    }
  };
}

/** One report a line, until the reader leaves or does not read. */
function follow(reports: PodReports, response: ServerResponse, onEnd: () => void): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  const send = (report: PodReport): void => {
    response.write(`${JSON.stringify(report)}\n`);
    if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
  };
  const stop = reports.follow(send);
  response.once('close', () => {
    stop();
    onEnd();
  });
}
