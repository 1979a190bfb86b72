import { Fault } from '../runtime/fault.ts';
import type { StoreFaultCode } from './object-store.ts';

/** Longest message of a store that is passed on. */
const MAX_MESSAGE = 300;

const BY_NAME: Readonly<Record<string, StoreFaultCode>> = {
  NoSuchBucket: 'ERR_STORE_NO_BUCKET',
  SlowDown: 'ERR_STORE_SLOW_DOWN',
  SlowDownRead: 'ERR_STORE_SLOW_DOWN',
  SlowDownWrite: 'ERR_STORE_SLOW_DOWN',
  TooManyRequests: 'ERR_STORE_SLOW_DOWN',
  ThrottlingException: 'ERR_STORE_SLOW_DOWN',
  RequestTimeout: 'ERR_STORE_TIMEOUT',
  TimeoutError: 'ERR_STORE_TIMEOUT',
  BadDigest: 'ERR_STORE_CHECKSUM',
  InvalidDigest: 'ERR_STORE_CHECKSUM',
  XAmzContentSHA256Mismatch: 'ERR_STORE_CHECKSUM',
  XAmzContentChecksumMismatch: 'ERR_STORE_CHECKSUM',
  IncompleteBody: 'ERR_STORE_CHECKSUM',
  PreconditionFailed: 'ERR_STORE_CHANGED',
  ConditionalRequestConflict: 'ERR_STORE_UNAVAILABLE',
  OperationAborted: 'ERR_STORE_UNAVAILABLE',
  RequestTimeTooSkewed: 'ERR_STORE_ACCESS',
  InvalidToken: 'ERR_STORE_ACCESS',
  ExpiredToken: 'ERR_STORE_ACCESS',
  InvalidAccessKeyId: 'ERR_STORE_ACCESS',
  SignatureDoesNotMatch: 'ERR_STORE_ACCESS',
  AuthorizationHeaderMalformed: 'ERR_STORE_ACCESS',
  CredentialsProviderError: 'ERR_STORE_ACCESS',
  TokenProviderError: 'ERR_STORE_ACCESS',
  NotImplemented: 'ERR_STORE_UNSUPPORTED',
  XMinioStorageFull: 'ERR_STORE_FULL',
  XMinioAdminBucketQuotaExceeded: 'ERR_STORE_FULL',
  QuotaExceeded: 'ERR_STORE_FULL',
};

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Whether an error of the SDK says that the object (not the bucket) does not exist. */
export function isAbsent(error: unknown): boolean {
  const sdk = (error ?? {}) as SdkError;
  return sdk.$metadata?.httpStatusCode === 404 && sdk.name !== 'NoSuchBucket';
}

function codeOf(error: SdkError): StoreFaultCode {
  const status = error.$metadata?.httpStatusCode;
  // The SDK calls a connection that was reset a timeout.
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return 'ERR_STORE_UNREACHABLE';
  const named = BY_NAME[error.name ?? ''];
  if (named) return named;
  if (status === undefined) return error.code === 'ETIMEDOUT' ? 'ERR_STORE_TIMEOUT' : 'ERR_STORE_UNREACHABLE';
  if (status === 401 || status === 403) return 'ERR_STORE_ACCESS';
  if (status === 408) return 'ERR_STORE_TIMEOUT';
  if (status === 412) return 'ERR_STORE_CHANGED';
  if (status === 429) return 'ERR_STORE_SLOW_DOWN';
  if (status === 501) return 'ERR_STORE_UNSUPPORTED';
  if (status === 507) return 'ERR_STORE_FULL';
  // A redirect is what a store in another region, or no store at all, answers.
  if (status >= 500 || status < 400) return 'ERR_STORE_UNAVAILABLE';
  return 'ERR_STORE_REFUSED';
}

/** What an error of the S3 client means, with the store's own words but nothing of the request: that could hold secrets. */
export function s3Fault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const sdk = (error ?? {}) as SdkError;
  const status = sdk.$metadata?.httpStatusCode;
  const words = [status, sdk.name, sdk.code, sdk.message].filter((part) => part !== undefined && part !== 'Error');
  return new Fault(codeOf(sdk), words.join(' ').slice(0, MAX_MESSAGE));
}
