import { Fault } from '../ingest/runtime/fault.ts';

/** What an API server says in place of an object (API reference, `Status`). */
export interface ApiStatus {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number; readonly causes?: readonly { readonly field?: string }[] };
}

/** Why a request failed. docs/errors.md says what each means. */
export type KubeFault =
  | 'ERR_KUBE_CONFIG'
  | 'ERR_KUBE_CONFLICT'
  | 'ERR_KUBE_FORBIDDEN'
  | 'ERR_KUBE_GONE'
  | 'ERR_KUBE_INVALID'
  | 'ERR_KUBE_LEADERSHIP_LOST'
  | 'ERR_KUBE_MALFORMED'
  | 'ERR_KUBE_NOT_FOUND'
  | 'ERR_KUBE_STALLED'
  | 'ERR_KUBE_THROTTLED'
  | 'ERR_KUBE_TIMEOUT'
  | 'ERR_KUBE_UNAUTHORIZED'
  | 'ERR_KUBE_UNAVAILABLE'
  | 'ERR_KUBE_UNREACHABLE';

/** A request to the API server failed. `code` is stable and public; `status` is the HTTP status, 0 where none came. */
export class KubeError extends Fault {
  override readonly name = 'KubeError';
  declare readonly code: KubeFault;
  readonly status: number;
  /** How long the server asks to stay away, in milliseconds; 0 where it does not say. */
  readonly retryAfterMs: number;

  constructor(
    code: KubeFault,
    detail: string,
    options: ErrorOptions & { readonly status?: number; readonly retryAfterMs?: number } = {},
  ) {
    super(code, detail, options);
    this.status = options.status ?? 0;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }

  /** Whether `error` is one of these, with this code. */
  static is(error: unknown, code: KubeFault): error is KubeError {
    return error instanceof KubeError && error.code === code;
  }
}

/** An HTTP status of 400 or more, with what the body said, as an error. */
export function errorOfStatus(status: number, body: ApiStatus, what: string, retryAfterMs = 0): KubeError {
  const said = body.message ?? body.reason ?? 'no reason given';
  const wait = retryAfterMs || (body.details?.retryAfterSeconds ?? 0) * 1000;
  return new KubeError(codeOf(status, body), `${what}: ${status} ${said}`, { status, retryAfterMs: wait });
}

function codeOf(status: number, { reason, details }: ApiStatus): KubeFault {
  switch (status) {
    case 401:
      return 'ERR_KUBE_UNAUTHORIZED';
    case 403:
      return 'ERR_KUBE_FORBIDDEN';
    case 404:
      return 'ERR_KUBE_NOT_FOUND';
    case 409:
      return 'ERR_KUBE_CONFLICT';
    case 410:
      return 'ERR_KUBE_GONE';
    case 429:
      return 'ERR_KUBE_THROTTLED';
    case 422:
      // The uid that was given is another object's.
      return details?.causes?.some(({ field }) => field === 'metadata.uid') ? 'ERR_KUBE_CONFLICT' : 'ERR_KUBE_INVALID';
    default:
      // A list page whose token is too old is told by its reason.
      if (reason === 'Expired' || reason === 'Gone') return 'ERR_KUBE_GONE';
      return status >= 500 ? 'ERR_KUBE_UNAVAILABLE' : 'ERR_KUBE_INVALID';
  }
}
