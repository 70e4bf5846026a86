"""GraphQL over HTTP and file downloads: send, pace, classify failures, redact.

Belongs here: which hosts are trusted, credentials in headers, time-outs, retries, what a reply proves
about a mutation (`client`), files (`download`), and the removal of secrets from every message.
Does not belong here: any service's documents, codes or variables; providers hand those in.
Only providers call this room, and only this room imports httpx.

It uses httpx's transports, not its clients: no cookies, no redirects, no netrc, and nothing is logged.
Of the environment it honours proxies and SSL_CERT_FILE, for https to hosts that are not loopback.
"""
