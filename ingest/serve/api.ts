import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EventStream } from './event-stream.ts';
import { type Route, sendJson } from './http-server.ts';

/** The read model that the API shows. */
export interface ApiView {
  streams(): readonly object[];
  stream(path: string): object | undefined;
  /** What this process knows of recordings; of one path, where it is given. */
  recordings(path?: string): readonly object[];
}

const VERSION = '/api/v1/';

/**
 * `/api/v1/streams[/{path}]`, `/api/v1/recordings[/{path}]`, `/api/v1/events[?path={path}]`, all read-only. Without a token the API
 * answers on loopback only.
 */
export function apiRoute(view: ApiView, events: EventStream, readToken: () => string | null): Route {
  return (request, response, url, ticket) => {
    if (!url.pathname.startsWith('/api/')) return false;
    if (!isAllowed(request, readToken())) {
      const message = 'the API needs its token; from other machines that takes a start with --api-token-file';
      sendJson(response, 403, { code: 'ERR_API_FORBIDDEN', message });
      return true;
    }
    if (request.method !== 'GET') {
      sendJson(response, 405, { code: 'ERR_HTTP_METHOD', message: 'only GET' });
      return true;
    }
    if (!url.pathname.startsWith(VERSION)) return false;
    const [resource, ...rest] = url.pathname.slice(VERSION.length).split('/');
    const path = rest.length === 0 ? undefined : decodePath(rest.join('/'));
    switch (resource) {
      case 'streams':
        sendStreams(response, view, path);
        return true;
      case 'recordings':
        sendJson(response, 200, { recordings: view.recordings(path) });
        return true;
      case 'events':
        ticket.accept();
        if (!events.open(response, url.searchParams.get('path'))) {
          sendJson(response, 503, { code: 'ERR_API_BUSY', message: 'too many programs read the events' });
        }
        return true;
      default:
        return false;
    }
  };
}

function sendStreams(response: ServerResponse, view: ApiView, path: string | undefined): void {
  if (path === undefined) {
    sendJson(response, 200, { streams: view.streams() });
    return;
  }
  const stream = view.stream(path);
  if (stream === undefined) sendJson(response, 404, { code: 'ERR_STREAM_NOT_FOUND', message: 'no such stream' });
  else sendJson(response, 200, stream);
}

/** What is no percent-encoding is taken as it is: then there is no such path. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isAllowed(request: IncomingMessage, token: string | null): boolean {
  if (token === null) return isLoopback(request.socket.remoteAddress ?? '');
  if (token === '') return false; // a file that has not been filled yet is not a token that everybody knows
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}
