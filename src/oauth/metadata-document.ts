/** Client ID Metadata Documents: a client whose id is the https URL of its own description. */

import { type ClientMetadata, clientMetadata } from './client-metadata.ts';
import type { Client } from './clients.ts';
import { OAuthError } from './errors.ts';
import { type FreshCache, freshCache } from './fresh-cache.ts';
import { StrangerFailed, type StrangerFetch } from './stranger-fetch.ts';

/** Client ID Metadata Documents §6.6 suggests 5 KB; keys within take some more. In bytes. */
const longest = 16 * 1024;

export interface MetadataDocuments {
  /** The client that the document at this URL describes. Refuses with invalid_client or temporarily_unavailable. */
  find(clientId: string): Promise<Client>;
}

/** Whether a client id is the URL of a document, by its spelling alone: §3. */
export function isDocumentUrl(id: string): boolean {
  if (id.length > 2048 || !/^https:\/\/[^/?#]+\/[\x21-\x7e]+$/.test(id) || /[\\#"<>]/.test(id)) return false;
  if (!URL.canParse(id)) return false;
  const url = new URL(id);
  // Written as it will be asked for: no user, no dot segments, no capital host. The id is compared as a string everywhere.
  return url.href === id && url.username === '' && url.password === '' && url.pathname !== '/';
}

export function metadataDocuments(fetchJson: StrangerFetch): MetadataDocuments {
  const cache: FreshCache<Client> = freshCache(1000);
  return {
    find: (id) =>
      cache.get(id, async () => {
        const { json, freshFor } = await fetched(fetchJson, id);
        return { value: { id, kind: 'metadata-document', metadata: described(json, id) }, freshFor };
      }),
  };
}

async function fetched(fetchJson: StrangerFetch, id: string): ReturnType<StrangerFetch> {
  try {
    return await fetchJson(new URL(id), longest);
  } catch (cause) {
    if (!(cause instanceof StrangerFailed)) throw cause;
    const description = `The client metadata document ${cause.message}`;
    // What could not be asked may answer later; the client need not give up what it has.
    if (!cause.answered) throw new OAuthError('temporarily_unavailable', description, { cause });
    throw refused(description, cause);
  }
}

/** §4.1: what the document must and must not hold. */
function described(json: unknown, id: string): ClientMetadata {
  const { client_id, ...sent } = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  // Compared as strings: a document speaks for its own URL only.
  if (client_id !== id) throw refused('The client_id in the client metadata document is not its URL');
  if (typeof sent.client_name !== 'string' || sent.client_name === '') {
    throw refused('The client metadata document has no client_name');
  }
  const method = sent.token_endpoint_auth_method ?? 'none';
  // A secret that everybody can read is none, and nobody could have agreed on one.
  if (String(method).startsWith('client_secret_') || 'client_secret' in sent || 'client_secret_expires_at' in sent) {
    throw refused('A client metadata document cannot use a shared secret');
  }
  try {
    return clientMetadata({ ...sent, token_endpoint_auth_method: method });
  } catch (error) {
    if (error instanceof OAuthError) throw refused(`The client metadata document is not valid. ${error.description}`);
    throw error;
  }
}

function refused(description: string, cause?: Error): OAuthError {
  return new OAuthError('invalid_client', description, { status: 400, cause });
}
