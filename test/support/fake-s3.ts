import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export interface S3Request {
  readonly method: string;
  /** `/bucket/key`, decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** What a test makes the server do instead of answering; undefined: answer as S3 does. */
export type S3Answer = { readonly status: number; readonly code: string } | 'reset' | 'silence' | 'cut';

interface Stored {
  readonly body: Buffer;
  readonly checksum: string | undefined;
}

/**
 * A small S3 in memory, for the answers that a real one can't be made to give: refused, cut off, silent, lying. Puts, gets,
 * heads and lists of one bucket, with conditions and SHA-256; uploads in parts without conditions.
 */
export class FakeS3 implements AsyncDisposable {
  readonly requests: S3Request[] = [];
  readonly objects = new Map<string, Stored>();
  /** Chooses a fault for a request. */
  fault: (request: S3Request) => S3Answer | undefined = () => undefined;
  /** Conditions are ignored, as some stores do; or refused with 501. */
  conditions: 'honoured' | 'ignored' | 'refused' = 'honoured';
  /** Knows no checksums: neither checks nor returns them. */
  hasChecksums = true;
  /** Changes what arrives, after the request was checked: a bit that flips in the store. */
  corrupt: (body: Buffer) => Buffer = (body) => body;
  /** What has arrived of uploads in parts, by id. */
  readonly #uploads = new Map<string, Buffer[]>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<FakeS3> {
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    return new FakeS3(server);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests of a method so far. */
  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of incoming) pieces.push(piece as Buffer);
    } catch {
      return; // the client has gone
    }
    const url = new URL(incoming.url!, 'http://s3');
    const request: S3Request = {
      method: incoming.method!,
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: incoming.headers,
      body: Buffer.concat(pieces),
    };
    this.requests.push(request);
    const fault = this.fault(request);
    if (fault === 'silence') return;
    if (fault === 'reset') incoming.socket.destroy();
    else if (fault === 'cut') {
      response.writeHead(200, { 'content-length': '100000', etag: '"x"' });
      response.write('{');
      setImmediate(() => incoming.socket.destroy());
    } else if (fault) refuse(response, fault.status, fault.code);
    else this.#answer(request, response);
  }

  #answer(request: S3Request, response: ServerResponse): void {
    const { method, path, body, query } = request;
    if (query.has('uploads') || query.has('uploadId')) {
      this.#answerParts(request, response);
      return;
    }
    const present = this.objects.get(path);
    const refusal = this.#refusal(request, present);
    if (refusal) refuse(response, ...refusal, method === 'HEAD');
    else if (request.query.has('list-type')) this.#list(request, response);
    else if (method === 'PUT') {
      const kept = this.corrupt(body);
      const stored = { body: kept, checksum: this.hasChecksums ? sha256(kept) : undefined };
      this.objects.set(path, stored);
      response.writeHead(200, headersOf(stored)).end();
    } else {
      response.writeHead(200, { ...headersOf(present!), 'content-length': present!.body.length });
      response.end(method === 'HEAD' ? undefined : present!.body);
    }
  }

  /** Of an upload in parts: its start, a part, its end; it is never listed, and gone as soon as it is given up. */
  #answerParts({ method, path, query, body }: S3Request, response: ServerResponse): void {
    const id = query.get('uploadId') ?? `upload-${this.#uploads.size + 1}`;
    const parts = this.#uploads.get(id) ?? [];
    this.#uploads.set(id, parts);
    if (method === 'PUT') {
      const kept = this.corrupt(body);
      parts[Number(query.get('partNumber')) - 1] = kept;
      response.writeHead(200, { etag: etag(kept) }).end();
    } else if (method === 'POST' && query.has('uploadId')) {
      const digests = parts.map((part) => createHash('sha256').update(part).digest());
      const checksum = this.hasChecksums ? `${sha256(Buffer.concat(digests))}-${parts.length}` : undefined;
      this.objects.set(path, { body: Buffer.concat(parts), checksum });
      const said = checksum ? `<ChecksumSHA256>${checksum}</ChecksumSHA256>` : '';
      response.end(`<CompleteMultipartUploadResult>${said}</CompleteMultipartUploadResult>`);
    } else if (method === 'POST') {
      response.end(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    } else response.end(method === 'DELETE' ? undefined : '<ListMultipartUploadsResult></ListMultipartUploadsResult>');
  }

  /** Status and code, where S3 would not do it. */
  #refusal({ method, headers, body, query }: S3Request, present: Stored | undefined): [number, string] | undefined {
    if (method !== 'PUT') return present || query.has('list-type') ? undefined : [404, 'NoSuchKey'];
    const [none, match] = [headers['if-none-match'], headers['if-match']];
    if ((none || match) && this.conditions === 'refused') return [501, 'NotImplemented'];
    if (this.conditions === 'honoured') {
      if (none && present) return [412, 'PreconditionFailed'];
      if (match && !present) return [404, 'NoSuchKey'];
      if (match && match !== etag(present!.body)) return [412, 'PreconditionFailed'];
    }
    const claimed = headers['x-amz-checksum-sha256'];
    return this.hasChecksums && claimed && claimed !== sha256(body) ? [400, 'BadDigest'] : undefined;
  }

  #list({ path, query }: S3Request, response: ServerResponse): void {
    const prefix = query.get('prefix') ?? '';
    const keys = [...this.objects.keys()].map((key) => key.slice(path.replace(/\/$/, '').length + 1)).sort();
    const from = Number(query.get('continuation-token') ?? 0);
    const found = keys.filter((key) => key.startsWith(prefix) && !key.slice(prefix.length).includes('/'));
    const some = found.slice(from, from + 2);
    const next = from + 2 < found.length ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : '';
    const contents = some.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('');
    response.writeHead(200, { 'content-type': 'application/xml' });
    response.end(
      `<ListBucketResult><IsTruncated>${next !== ''}</IsTruncated>${next}${contents}<CommonPrefixes><Prefix>${prefix}below/</Prefix></CommonPrefixes></ListBucketResult>`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }
}

function refuse(response: ServerResponse, status: number, code: string, isHead = false): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(isHead ? undefined : `<Error><Code>${code}</Code><Message>${code} it is</Message></Error>`);
}

function headersOf({ body, checksum }: Stored): Record<string, string> {
  return { etag: etag(body), ...(checksum ? { 'x-amz-checksum-sha256': checksum } : {}) };
}

function etag(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function sha256(body: Buffer): string {
  return createHash('sha256').update(body).digest('base64');
}
