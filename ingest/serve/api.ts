import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Route, sendJson } from './http-server.ts';

/** The read model that the API shows. */
export interface ApiView {
  streams(): readonly object[];
  stream(path: string): object | undefined;
}

const STREAMS = '/api/v1/streams';

/** `/api/v1/streams` and `/api/v1/streams/{path}`, read-only. Without a token the API answers on loopback only. */
export function apiRoute(view: ApiView, readToken: () => string | null): Route {
  return (request, response, url) => {
    if (!url.pathname.startsWith('/api/')) return false;
    if (!isAllowed(request, readToken())) {
      sendJson(response, 403, {
        code: 'ERR_API_FORBIDDEN',
        message: 'from other machines the API needs a token: start with --api-token-file',
      });
      return true;
    }
    if (request.method !== 'GET') {
      sendJson(response, 405, { code: 'ERR_HTTP_METHOD', message: 'only GET' });
      return true;
    }
    if (url.pathname === STREAMS) {
      sendJson(response, 200, { streams: view.streams() });
      return true;
    }
    if (!url.pathname.startsWith(`${STREAMS}/`)) return false;
    const path = decodePath(url.pathname.slice(STREAMS.length + 1));
    const stream = path === undefined ? undefined : view.stream(path);
    if (stream === undefined) sendJson(response, 404, { code: 'ERR_STREAM_NOT_FOUND', message: 'no such stream' });
    else sendJson(response, 200, stream);
    return true;
  };
}

function decodePath(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function isAllowed(request: IncomingMessage, token: string | null): boolean {
  if (token === null) return isLoopback(request.socket.remoteAddress ?? '');
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}
