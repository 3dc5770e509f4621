/** What a client says it can be asked, in the words of either era. */

import { isObject, type Params, type Request } from './message.ts';

/** Whether a client that declared these capabilities can be asked. */
export function able(capabilities: Params, { method, params }: Pick<Request, 'method' | 'params'>): boolean {
  const { roots, sampling, elicitation } = capabilities;
  if (method === 'roots/list') return roots !== undefined;
  if (method === 'sampling/createMessage') {
    return isObject(sampling) && (params.tools === undefined || sampling.tools !== undefined);
  }
  if (method === 'elicitation/create')
    return isObject(elicitation) && (params.mode !== 'url' || elicitation.url !== undefined);
  return false;
}

/** What a client would have to declare to be asked this. */
export function capabilityFor({ method, params }: Pick<Request, 'method' | 'params'>): Params {
  if (method === 'roots/list') return { roots: {} };
  if (method === 'sampling/createMessage') return { sampling: params.tools === undefined ? {} : { tools: {} } };
  return { elicitation: params.mode === 'url' ? { url: {} } : { form: {} } };
}

/**
 * Those that a server of the sessions era can make use of, in one spelling: they are fixed when it is initialized, so
 * each different set is another process.
 */
export function legacyCapabilities(declared: unknown): Params {
  if (!isObject(declared)) return {};
  const { elicitation, sampling, roots } = declared;
  const modes = isObject(elicitation) && elicitation;
  return {
    // A bare declaration is one of forms, as before there were modes.
    ...(modes && {
      elicitation: { ...((modes.form || !modes.url) && { form: {} }), ...(modes.url !== undefined && { url: {} }) },
    }),
    ...(isObject(sampling) && { sampling: sampling.tools === undefined ? {} : { tools: {} } }),
    ...(isObject(roots) && { roots: {} }),
  };
}
