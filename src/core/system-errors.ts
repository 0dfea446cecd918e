/** What an operating system's error codes mean, for people who do not program. */
const words: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EAI_AGAIN: "no answer of the name server",
  EADDRINUSE: "a port that another program uses",
  EADDRNOTAVAIL: "an address that this machine does not have",
  EBADF: "a file that was closed",
  EBUSY: "a file that another program holds",
  ECONNABORTED: "a connection that was broken off",
  ECONNREFUSED: "a refused connection",
  ECONNRESET: "a connection that was broken off",
  EDQUOT: "a disk quota that is used up",
  EEXIST: "a file that is there already",
  EFBIG: "a file too large for the file system",
  EHOSTUNREACH: "no way to the server",
  EINVAL: "a name or an operation that the system does not take",
  EIO: "an error of the disk",
  EISDIR: "a folder",
  ELOOP: "links that lead round in a circle",
  EMFILE: "too many open files",
  ENAMETOOLONG: "a name that is too long",
  ENETUNREACH: "no network",
  ENFILE: "too many open files",
  ENOENT: "no such file or folder",
  ENOMEM: "too little memory",
  ENOSPC: "a full disk",
  ENOTDIR: "a file where a folder should be",
  ENOTEMPTY: "a folder that is not empty",
  ENOTFOUND: "no server of that name",
  ENXIO: "a device that is not there",
  EPERM: "an operation that is not permitted",
  EPIPE: "a connection that was broken off",
  EPROTO: "an answer that is no HTTP",
  EROFS: "a read-only file system",
  ETIMEDOUT: "no answer in time",
  EXDEV: "another disk",
  UND_ERR_BODY_TIMEOUT: "no answer in time",
  UND_ERR_CONNECT_TIMEOUT: "no answer in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  UND_ERR_SOCKET: "a connection that was broken off",
  CERT_HAS_EXPIRED: "a certificate that has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "a certificate that nobody vouches for",
  ERR_TLS_CERT_ALTNAME_INVALID: "a certificate for another server",
  SELF_SIGNED_CERT_IN_CHAIN: "a certificate that nobody vouches for",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "a certificate that nobody vouches for",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "a certificate that nobody vouches for",
};

/** The code of a system's error ("ENOENT"), its own or that of its cause (fetch hides it there); undefined where it has none. */
export function systemErrorCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code === "string") return code;
    // Where a name has several addresses, each failed on its own.
    if (at instanceof AggregateError && at.errors.length > 0) return systemErrorCode(at.errors[0]);
  }
  return undefined;
}

/** What a system's error says, in words: its code's meaning, or what it says itself without the code. Fit for "received …". */
export function describeSystemError(error: unknown): string {
  const code = systemErrorCode(error);
  if (code !== undefined && code in words) return words[code]!;
  if (!(error instanceof Error)) return String(error);
  const innermost = error.cause instanceof Error && error.cause.message ? error.cause : error;
  return innermost.message.replace(/^E[A-Z]+: /, "").split("\n")[0]!;
}
