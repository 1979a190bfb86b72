/** An error whose stable `code` is public: in logs, metric labels, the API and tests. The message is for people and may change. */
export class Fault extends Error {
  override readonly name: string = 'Fault';
  readonly code: string;
  constructor(code: string, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}
