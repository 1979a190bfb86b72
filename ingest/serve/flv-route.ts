import { flvFileHeader } from '../adapt/media-to-rtmp.ts';
import type { Authorizer } from '../auth/authorizer.ts';
import { isVideoTrack } from '../media/media-event.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { normalisePath } from '../protocol/rtmp/stream-path.ts';
import type { Hub } from '../relay/hub.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import { HttpBody } from './http-body.ts';
import { type Route, sendJson } from './http-server.ts';
import { logHeadersSent, sequenceHeaders } from './viewer-log.ts';

/** What viewers were sent is added to the metric in steps of this, of all of them together, and when one leaves. */
const COUNTED_BYTES = 256 * 1024;

/** `GET /{path}.flv`: the live stream over HTTP, until it ends. `?tracks=all` for more than the first track of each kind. */
export function flvRoute(hub: Hub, authorizer: Authorizer, log: Log, meter: Meter): Route {
  let lastId = 0;
  let uncounted = 0;
  const count = (): void => {
    meter.count('headwater_sent_bytes_total', 'http-flv', uncounted);
    uncounted = 0;
  };
  const onWritten = (bytes: number): void => {
    uncounted += bytes;
    if (uncounted >= COUNTED_BYTES) count();
  };
  return (request, response, url, ticket) => {
    if (!url.pathname.endsWith('.flv')) return false;
    if (request.method !== 'GET') {
      sendJson(response, 405, { code: 'ERR_HTTP_METHOD', message: 'only GET' });
      return true;
    }
    const path = pathOf(url.pathname);
    if (path === undefined) {
      sendJson(response, 404, { code: 'ERR_HTTP_NOT_FOUND', message: 'that is no stream path' });
      return true;
    }
    const own = log.child({ conn_id: `h${String(++lastId).padStart(6, '0')}`, stream_key: path });
    own.info(
      { peer_addr: `${request.socket.remoteAddress}:${request.socket.remotePort}`, protocol: 'http-flv' },
      'play command',
    );
    if (!ticket.request()) {
      const code = 'ERR_LIMIT_SESSIONS_PER_ADDRESS';
      meter.count('headwater_viewers_refused_total', code);
      meter.count('headwater_connection_faults_total', code);
      own.warn({ code }, 'connection closed');
      sendJson(response, 429, { code, message: 'too many sessions from this address' });
      return true;
    }
    const verdict = authorizer.play({ path, protocol: 'http-flv' });
    if (!verdict.isAllowed) {
      const { code, reason } = verdict;
      meter.count('headwater_viewers_refused_total', code);
      own.warn({ code, reason }, 'viewer refused');
      sendJson(response, 403, { code: 'ERR_AUTH_PLAY', message: `${path} can't be watched here` });
      return true;
    }
    let isReady = false;
    let begun = false;
    const selection = url.searchParams.get('tracks') === 'all' ? 'full' : 'base';
    const sink = new HttpBody(request.socket, request.httpVersion !== '1.0', onWritten);
    const seat = hub.seat(path, `flv-${selection}`, sink, {
      onReady: () => {
        isReady = true;
        ticket.accept();
        meter.count('headwater_viewers_total', 'http-flv');
        own.info({ total_subscribers: hub.streams.get(path)?.viewerCount ?? 1 }, 'Subscriber added');
        sink.begin({ 'content-type': 'video/x-flv', 'access-control-allow-origin': '*' });
      },
      onHeaders: (all) => {
        const headers = sequenceHeaders(all, selection);
        if (!begun) {
          const hasVideo = headers.some(({ track }) => isVideoTrack(track));
          const hasAudio = headers.some(({ track }) => !isVideoTrack(track));
          sink.write(flvFileHeader(hasAudio, hasVideo));
        }
        begun = true;
        logHeadersSent(own, headers);
      },
      onEnd: (reason) => {
        own.info({ reason }, 'viewer ended');
        if (reason === 'not-found') {
          meter.count('headwater_viewers_refused_total', reason);
          request.socket.off('close', leave); // its connection may go on to ask for something else
          sendJson(response, 404, { code: 'ERR_STREAM_NOT_FOUND', message: `nobody publishes ${path}` });
        } else if (reason === 'stalled') {
          meter.count('headwater_connection_faults_total', 'ERR_VIEWER_STALLED');
          own.warn({ code: 'ERR_VIEWER_STALLED' }, 'connection closed');
          sink.destroy();
        } else if (isReady) {
          sink.end();
        } else {
          sendJson(response, 503, { code: 'ERR_HTTP_STOPPING', message: 'the server is stopping' });
        }
      },
    });
    const leave = (): void => {
      count();
      seat.leave();
    };
    request.socket.once('close', leave);
    seat.take();
    return true;
  };
}

function pathOf(pathname: string): string | undefined {
  try {
    const path = decodeURIComponent(pathname.slice(1, -'.flv'.length));
    if (path.includes('?')) return undefined; // a query that was encoded with the rest: no path has one, and it may hold secrets
    return normalisePath(path);
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof URIError) return undefined;
    throw error;
  }
}
