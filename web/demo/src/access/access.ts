/**
 * How the page gets its token. In development mode the server hands tokens out at `dev/token`; elsewhere the
 * visitor brings one. Knows HTTP and the shape of a token, nothing of rooms or media.
 */

/** Where to connect and with what. */
export interface Access {
  /** `ws:` or `wss:` address of the server. */
  readonly url: string;
  readonly token: string;
}

export interface AccessRequest {
  readonly room: string;
  readonly name: string;
  readonly identity: string;
}

/**
 * - `absent`: the server hands out no tokens (404)
 * - `refused`: it answered with an error, `message` is its text
 * - `unreachable`: no answer
 */
export type AccessFailure = 'absent' | 'refused' | 'unreachable';

export class AccessError extends Error {
  override readonly name = 'AccessError';
  constructor(
    readonly failure: AccessFailure,
    message: string,
  ) {
    super(message);
  }
}

/** Whether the server hands out tokens. A server that cannot be asked counts as one that does: joining will tell. */
export async function handsOutTokens(base: URL): Promise<boolean> {
  try {
    return (await fetch(new URL('dev/token', base), { cache: 'no-store' })).status !== 404;
  } catch {
    return true;
  }
}

/** Asks the server for a token. Throws {@link AccessError}. */
export async function requestAccess(base: URL, request: AccessRequest): Promise<Access> {
  let response: Response;
  try {
    response = await fetch(new URL('dev/token', base), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
  } catch (error) {
    throw new AccessError('unreachable', String(error));
  }
  if (response.status === 404) throw new AccessError('absent', 'this server hands out no tokens');
  if (!response.ok) throw new AccessError('refused', (await response.text()).slice(0, 300));
  const answer = (await response.json()) as { url?: string; token?: string };
  if (!answer.token) throw new AccessError('refused', 'the answer holds no token');
  return { url: answer.url || socketAddress(base), token: answer.token };
}

/** The signalling address that belongs to a page: same host, same path prefix. */
export function socketAddress(base: URL): string {
  const url = new URL('.', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.toString().replace(/\/$/, '');
}

/** The room that a token opens, if the text is a token at all. The server judges it; this only reads. */
export function roomOfToken(token: string): string | undefined {
  const payload = token.trim().split('.')[1];
  if (!payload) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { video?: { room?: unknown } };
    return typeof claims.video?.room === 'string' ? claims.video.room : undefined;
  } catch {
    return undefined;
  }
}
