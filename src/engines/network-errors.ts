/** What a socket's or TLS's error code means, in words; the same whichever driver it came through. */
export const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nobody listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name could not be looked up',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network is unreachable',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  CERT_HAS_EXPIRED: 'the server’s certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the server’s certificate is signed by itself; give tls.ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'the server’s certificate authority is not known; give tls.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the server’s certificate authority is not known; give tls.ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the server’s certificate is for another host name',
};
