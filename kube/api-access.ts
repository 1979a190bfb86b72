/** What TLS needs to know of the server and of us. */
export interface TlsIdentity {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** What goes with one request. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsIdentity;
}

/** Where the API server is, and as whom it is asked. */
export interface ApiAccess {
  /** URL without a slash at its end. */
  readonly server: string;
  /** The namespace of the pod, or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** What to send with the next request: tokens turn while a process lives. @throws KubeError ERR_KUBE_CONFIG when they can't be read. */
  credentials(): Promise<Credentials>;
  /** The server refused the last ones: read them anew. */
  renew(): void;
}
